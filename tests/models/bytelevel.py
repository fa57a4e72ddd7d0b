"""A small byte-level `tokenizer.json`, as GLM-4-hf and BLOOM have them."""

import json
from pathlib import Path


def write_tokenizer(folder: Path, special: list[str], eos: str = "</s>", pad: str = "<pad>") -> Path:
    """Train on a few sentences; `special` get the first ids. Returns `folder`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["Human: 你好\n\nAssistant: 你好，很高兴见到你", "hello hello world"], trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"eos_token": eos, "pad_token": {"content": pad}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
