"""An architecture that lives in this file alone loads, trains, is estimated, served, merged and opened again."""

import json
import re
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from transformers import DynamicCache, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from glm_core import models, workspace
from glm_core.adapters import attach, merge
from glm_core.models import chat_formats, registry
from glm_core.models.architectures.base import Dimensions
from glm_core.models.registry import Family
from glm_core.serving.base import LoadedBase
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session
from glm_core.training.memory.memory_estimate import estimate
from glm_core.training.run import run
from glm_core.training.settings import TrainingSettings
from tests.tiny import randomize, tiny_chatglm

HIDDEN, INNER, LAYERS, HEADS, CONTEXT = 32, 48, 2, 4, 256
ROWS = [("你是谁？", "我叫小砚。"), ("三加五等于多少？", "三加五等于八。")]
METHODS = {
    "lora": TrainingSettings(lora_rank=4, lora_targets="mlp, qkv", learning_rate=5e-3),
    "ptuning": TrainingSettings(method="ptuning", prefix_length=5, learning_rate=0.1),
}


class ToyConfig(PretrainedConfig):
    model_type = "toy"

    def __init__(self, vocab_size=560, n_embd=HIDDEN, layers=LAYERS, **kwargs):
        self.vocab_size, self.n_embd, self.layers = vocab_size, n_embd, layers
        self.hidden_size, self.num_hidden_layers = n_embd, layers
        super().__init__(**{"tie_word_embeddings": False, **kwargs})


class ToyBlock(GradientCheckpointingLayer):
    """Query, key and value in one product, learned positions, a plain MLP."""

    def __init__(self, config, index):
        super().__init__()
        width = config.hidden_size
        self.index, self.norm = index, nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, INNER, bias=False), nn.Linear(INNER, width, bias=False)

    def forward(self, hidden, mask, cache=None, prefix=None):
        batch, length, width = hidden.shape
        fused = self.qkv(self.norm(hidden)).view(batch, length, 3, HEADS, -1)
        query, key, value = (part.transpose(1, 2) for part in fused.unbind(2))
        if cache is not None:
            key, value = cache.update(key, value, self.index)
        if prefix is not None:
            mask = prefix.widen(mask)
            key, value = prefix.join(self.index, key, value)
        mixed = F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).reshape(batch, length, width)
        hidden = hidden + self.out(mixed)
        return hidden + self.down(torch.relu(self.up(hidden)))


class ToyBase(PreTrainedModel):
    config_class = ToyConfig
    base_model_prefix = "toy"
    supports_gradient_checkpointing = True

    def _init_weights(self, module):
        """`randomize` fills the weights."""


class ToyModel(ToyBase):
    def __init__(self, config):
        super().__init__(config)
        self.tokens, self.places = nn.Embedding(config.vocab_size, HIDDEN), nn.Embedding(CONTEXT, HIDDEN)
        self.blocks = nn.ModuleList(ToyBlock(config, index) for index in range(config.num_hidden_layers))
        self.norm, self.gradient_checkpointing = nn.LayerNorm(HIDDEN), False
        self.post_init()

    def get_input_embeddings(self):
        return self.tokens

    def forward(self, input_ids, attention_mask=None, position_ids=None, past_key_values=None, prefix=None, **kwargs):
        length = input_ids.shape[1]
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        if position_ids is None:
            position_ids = torch.arange(past, past + length)[None]
        if attention_mask is None or attention_mask.dim() == 2:
            causal = torch.ones(1, 1, length, past + length, dtype=torch.bool).tril(past)
            own = torch.eye(length, past + length, dtype=torch.bool)  # a padding row sees itself
            attention_mask = causal if attention_mask is None else causal & attention_mask[:, None, None].bool() | own
        hidden = self.tokens(input_ids) + self.places(position_ids)
        for block in self.blocks:
            hidden = block(hidden, attention_mask, cache=past_key_values, prefix=prefix)
        return BaseModelOutputWithPast(last_hidden_state=self.norm(hidden), past_key_values=past_key_values)


class ToyForCausalLM(ToyBase, GenerationMixin):
    def __init__(self, config):
        super().__init__(config)
        self.toy = ToyModel(config)
        self.head = nn.Linear(HIDDEN, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self):
        return self.head

    def forward(self, input_ids, past_key_values=None, use_cache=None, logits_to_keep=0, labels=None, **kwargs):
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()
        found = self.toy(input_ids, past_key_values=past_key_values, **kwargs)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        return CausalLMOutputWithPast(
            logits=self.head(found.last_hidden_state[:, kept]), past_key_values=past_key_values
        )


class ToyArchitecture:
    """Implements `glm_core.models.architectures.base.Architecture`. Its files name `wte` what the network calls tokens."""

    name, position_shape, recordable, caches_prefix = "toy", (1,), True, True

    def recognizes(self, config):
        return config.get("model_type") == "toy"

    def settings(self, config):
        return {"vocab_size": config["vocab_size"], "n_embd": config["n_embd"], "layers": config["layers"]} | {
            key: config[key] for key in ("pre_seq_len", "prefix_projection") if key in config
        }

    def context_length(self, config):
        return CONTEXT

    def dimensions(self, settings):
        linears = {
            "qkv": (HIDDEN, 3 * HIDDEN),
            "out": (HIDDEN, HIDDEN),
            "up": (HIDDEN, INNER),
            "down": (INNER, HIDDEN),
        }
        return Dimensions(
            hidden=HIDDEN,
            inner=INNER,
            layers=settings["layers"],
            heads=HEADS,
            kv_heads=HEADS,
            head_dim=HIDDEN // HEADS,
            vocabulary=settings["vocab_size"],
            tied=False,
            linears=linears,
            groups={"attention": ("qkv", "out"), "mlp": ("up", "down")},
            norms=1,
            norm_parameters=2 * HIDDEN,
            final_parameters=CONTEXT * HIDDEN + 2 * HIDDEN,
            gated=False,
            rms_norm=False,
        )

    def control_ids(self, settings):
        return {}

    def build(self, settings):
        return ToyForCausalLM(ToyConfig(**settings))

    def renamer(self, settings):
        """Published: `wte`, and query, key and value as rows of one module called `c_attn`."""

        def rename(name, tensor):
            yield re.sub(r"\.c_attn\.", ".qkv.", name).replace("toy.wte.", "toy.tokens."), tensor

        return rename

    def prompt_inputs(self, model, ids, mask):
        return {} if mask is None else {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}

    def next_positions(self, model, ids, mask):
        lengths = torch.full((len(ids), 1), ids.shape[1]) if mask is None else mask.sum(1, keepdim=True)
        return lengths, torch.ones_like(lengths)

    def decode_step(self, model, ids, positions, cache):
        columns = torch.zeros(len(ids), 1, 1, cache.columns)
        mask = cache.visible(torch.float32)
        inputs = {"attention_mask": columns if mask is None else mask, "position_ids": positions}
        return model(ids, past_key_values=cache, **inputs).logits[:, -1]

    def training_inputs(self, model, ids, mask):
        return {}

    def head_inputs(self, model, hidden):
        return hidden

    def attach_prefixes(self, model, current):
        def supply(network, arguments, named):
            return arguments, {**named, "prefix": current()}

        model.base_model.register_forward_pre_hook(supply, with_kwargs=True)


def toy_text(rounds, question):
    return "".join(f"{asked}>{answer};" for asked, answer in rounds) + f"{question}>"


@pytest.fixture(autouse=True)
def registered():
    before = list(registry.FAMILIES)
    text = partial(chat_formats.text_family, toy_text, chat_formats.frame_nothing)
    prompt, example = text(lambda source, target: (source, max(target - 1, 0)))
    registry.register(Family("toy", "Toy", ToyArchitecture(), prompt, example, sampling={"temperature": 0.7}))
    yield
    registry.FAMILIES[:] = before


@pytest.fixture
def base(tmp_path):
    """A checkpoint in the layout that `renamer` understands, with a tokenizer."""
    folder = tiny_chatglm(tmp_path / "models" / "toy")
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    model = ToyForCausalLM(ToyConfig(vocab_size=size))
    randomize(model, 2)
    tensors = {
        name.replace(".qkv.", ".c_attn.").replace("toy.tokens.", "toy.wte."): tensor
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = {"model_type": "toy", "vocab_size": size, "n_embd": HIDDEN, "layers": LAYERS, "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def train(base, folder, settings):
    folder.mkdir()
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ROWS]
    (folder / "dataset.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows * 3), encoding="utf-8")
    quick = settings.changed(epochs=6, micro_batch=2, max_source_length=32, max_target_length=16)
    record = {"id": folder.name, "name": folder.name, "model": str(base), "questions": ["你是谁？"]}
    workspace.write_json(folder / "run.json", record | {"settings": quick.to_dict()})
    assert run(folder) == 0, (folder / "train.log").read_text()
    return folder / "adapter"


def logits(loaded, adapter=None):
    ids = torch.tensor([loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你是谁？"}])])
    if adapter:
        attach.load_adapter(loaded, adapter, "own")
        attach.activate(loaded, "own")
    with torch.no_grad():
        return loaded.model.eval()(ids).logits


def test_sizes_and_memory_are_what_the_network_has(base):
    found, loaded = models.describe(base), models.load(base)
    assert (found.family.name, found.context_length) == ("toy", CONTEXT)
    assert sum(weight.numel() for weight in loaded.model.parameters()) == found.parameters
    for settings in METHODS.values():
        trainable = attach.attach(models.load(base), settings)
        assert estimate(base, settings, device="cpu").trainable == trainable


@pytest.mark.parametrize("method", METHODS)
def test_a_run_trains_it_and_a_merge_opens_as_the_run_answered(base, tmp_path, method):
    adapter = train(base, tmp_path / method, METHODS[method])
    losses = [json.loads(line) for line in (tmp_path / method / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in losses if "loss" in line]
    assert sum(losses[-3:]) < sum(losses[:3])
    tuned, plain = logits(models.load(base), adapter), logits(models.load(base))
    assert not torch.allclose(tuned, plain, atol=1e-3)
    merged = merge.merge(base, adapter, tmp_path / "merged", dtype="float32")
    torch.testing.assert_close(logits(models.load(merged)), tuned, atol=2e-4, rtol=1e-4)


def test_a_mixed_batch_answers_as_each_row_alone(base, tmp_path):
    loaded = models.load(base)
    choices = [ServedModel("toy", "toy", base)]
    for name, settings in METHODS.items():
        adapter = models.load(base)
        torch.manual_seed(4)  # also of what attaching draws
        attach.attach(adapter, settings, name)
        for weight in adapter.model.parameters():
            if weight.requires_grad:
                weight.data += (3.0 if name == "ptuning" else 0.8) * torch.randn_like(weight)
        attach.save(adapter, tmp_path / name, {"step": 1}, name)
        choices.append(ServedModel(name, name, base, tmp_path / name, 1))
    session = Session(loaded, LoadedBase("toy", base, "toy", CONTEXT, {}, 0.0))

    def begin(choice, question):
        request = Request([{"role": "user", "content": question}], choice.name, max_new_tokens=12, temperature=0.0)
        session.begin(handle := RequestHandle(request, choice))
        return handle

    def finish():
        while session.rows:
            session.step()

    pairs = [(choice, question) for question in ("你好", "今天天气怎么样？") for choice in choices]
    alone = []
    for pair in pairs:
        alone.append(begin(*pair))
        finish()
    together = [begin(*pair) for pair in pairs]
    finish()
    texts = [handle.text for handle in alone]
    assert [handle.text for handle in together] == texts
    assert len(set(texts)) == len(texts), "answers must depend on the adapter and on the question"
