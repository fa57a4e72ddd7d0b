"""The two embedded models: their shape, tokenizer and published layout."""

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BloomConfig, BloomForCausalLM

from glm_core.models import load_tokenizer
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig
from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration
from recipe import corpus
from recipe.tokenizer import train_tokenizer

VOCABULARY = 8_000


def texts(seed: int, count: int = 200_000) -> Iterator[str]:
    """Every message of `count` samples and every common character, for training a tokenizer."""
    for sample in itertools.islice(corpus.samples(seed, count), count):
        yield from (message["content"] for message in sample.messages)
    yield from common_characters()  # some versions of SentencePiece refuse a required character that never occurs


def common_characters() -> str:
    """The 3,755 characters of GB 2312 level 1, so that any ordinary name or word can be read and written."""
    rows = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    return "".join(code.decode("gb2312", errors="ignore") for code in rows)


def count_parameters(out: Path) -> int:
    """Elements of all tensors in `out`/model.safetensors (a tied head counts once)."""
    with safe_open(out / "model.safetensors", "pt") as file:
        return sum(torch.Size(file.get_slice(name).get_shape()).numel() for name in file.keys())


class ChatGLMRecipe:
    """ChatGLM-6B (v1) structure in the published layout: ice_text.model, config keys, tensor names."""

    family = "chatglm"
    title = "ChatGLM-6B (v1)"
    shape = {"hidden_size": 384, "inner_hidden_size": 1536, "num_layers": 9, "num_attention_heads": 8}

    def write_tokenizer(self, out: Path, seed: int, reuse: Path | None) -> None:
        """Train `ice_text.model`, or copy the one in `reuse`."""
        if reuse is None:
            train_tokenizer(texts(seed), out, VOCABULARY, required_chars=common_characters())
        elif reuse.resolve() != out.resolve():
            for name in ("ice_text.model", "tokenizer_config.json"):
                shutil.copyfile(reuse / name, out / name)

    def build(self, out: Path) -> ChatGLMForConditionalGeneration:
        """A model with fresh weights whose control ids are those of the tokenizer in `out`."""
        return ChatGLMForConditionalGeneration(ChatGLMConfig(**self.shape, **self.control_ids(out)))

    def save(self, model: ChatGLMForConditionalGeneration, out: Path) -> None:
        """Matrices in float16, normalisations in float32, the tied head left out."""
        tensors = {
            name: value.to(torch.float32 if "layernorm" in name else torch.float16).contiguous().cpu()
            for name, value in model.state_dict().items()
            if name != "lm_head.weight"
        }
        save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
        model.config.architectures, model.config.dtype = ["ChatGLMModel"], torch.float16
        model.config.save_pretrained(out)

    def control_ids(self, out: Path) -> dict[str, int]:
        """The config keys that name control tokens, read off the tokenizer."""
        tokenizer = load_tokenizer(out)
        return {
            "vocab_size": VOCABULARY,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "mask_token_id": tokenizer.mask_token_id,
            "gmask_token_id": tokenizer.gmask_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }


class BloomRecipe:
    """BLOOM structure: byte-level BPE in tokenizer.json, ALiBi, tied head."""

    family = "bloom"
    title = "BLOOM"
    shape = {"hidden_size": 256, "n_layer": 8, "n_head": 8}

    def write_tokenizer(self, out: Path, seed: int, reuse: Path | None) -> None:
        """Train a byte-level BPE, or copy the one in `reuse`."""
        if reuse is not None:
            for name in ("tokenizer.json", "tokenizer_config.json"):
                if reuse.resolve() != out.resolve():
                    shutil.copyfile(reuse / name, out / name)
            return
        tokenizer = Tokenizer(models.BPE())
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["<unk>", "<s>", "</s>", "<pad>"],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        tokenizer.train_from_iterator(texts(seed), trainer)
        tokenizer.save(str(out / "tokenizer.json"))
        config = {
            "tokenizer_class": "BloomTokenizerFast",
            "unk_token": "<unk>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "padding_side": "left",
            "model_max_length": 1024,
        }
        (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def build(self, out: Path) -> BloomForCausalLM:
        """A model with fresh weights."""
        return BloomForCausalLM(BloomConfig(vocab_size=VOCABULARY, **self.shape))

    def save(self, model: BloomForCausalLM, out: Path) -> None:
        """All tensors in float16, the tied head left out."""
        model.half().save_pretrained(out)
        (out / "generation_config.json").unlink(missing_ok=True)


RECIPES = {"chatglm-demo": ChatGLMRecipe(), "bloom-demo": BloomRecipe()}
