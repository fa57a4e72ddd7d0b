"""Greedy answers by plain transformers and by PEFT, as other people's programs get them, for the check of an export.

A merged folder is asked with its own tokenizer, chat template, stops and penalty; an adapter on transformers' own network of
its base, with the prompts of this program, since it brings no tokenizer. No code from a folder is run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glm_core.adapters.files import read_info
from glm_core.generation.greedy import until
from glm_core.models import describe, load_tokenizer
from glm_core.models.thinking import SWITCH
from glm_core.runs.exchange.answers import LONGEST, run_prompts
from glm_core.runs.exchange.exporter import ExportSource, ExportTool, Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STAGE = "exports.stage.checking"


def for_model(source: ExportSource) -> list[ExportTool]:
    """Plain transformers, where it has the network in which the base was published."""
    return [TRANSFORMERS] if _has_network(source) else []


def for_adapter(source: ExportSource) -> list[ExportTool]:
    """PEFT, where transformers has the base's network."""
    return [PEFT] if _has_network(source) else []


def _has_network(source: ExportSource) -> bool:
    from transformers import CONFIG_MAPPING

    base = describe(source.base)
    named = base.config.get("model_type") in CONFIG_MAPPING and not base.config.get("auto_map")
    return named and not base.bits and read_info(source.adapter)["method"] == "lora"


def ask_transformers(source: ExportSource, folder: Path, questions: Sequence[str], progress: Progress) -> list[str]:
    """Ask the model in `folder` by `AutoModelForCausalLM`, `apply_chat_template` and its `generation_config.json`."""
    from transformers import AutoTokenizer

    plain = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    prompts = [
        plain.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False, **{SWITCH: False}
        )
        for question in questions
    ]
    return _answers(_load(folder), folder, prompts, progress)


def ask_peft(source: ExportSource, adapter: Path, questions: Sequence[str], progress: Progress) -> list[str]:
    """Ask the run's base with `PeftModel` on it."""
    from peft import PeftModel

    from glm_core.generation.repetition import penalty_of

    model = PeftModel.from_pretrained(_load(source.base), str(adapter))
    family, tokenizer = describe(source.base).family, load_tokenizer(source.base)
    return _answers(
        model,
        source.base,
        run_prompts(source, questions),
        progress,
        eos_token_id=family.stop_ids(tokenizer),
        repetition_penalty=penalty_of(family),
    )


def _load(folder: Path) -> "PreTrainedModel":
    """The model in `folder` in the precision and on the device that this program would take."""
    from transformers import AutoModelForCausalLM

    from glm_core.models import loading

    device = loading.choose_device(None)
    dtype = loading.choose_dtype(None, device, describe(folder).config)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=False).to(device)


def _answers(
    model: Any, folder: Path, prompts: Sequence[Sequence[int]], progress: Progress, **settings: Any
) -> list[str]:
    """Greedy answers of `model`; `settings` go before those of its folder."""
    import torch

    from glm_core.models.device import release_memory

    model.eval()
    family, tokenizer = describe(folder).family, load_tokenizer(folder)
    stops = family.stop_ids(tokenizer)
    plain = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "pad_token_id": stops[0]}
    answers = []
    for number, prompt in enumerate(prompts):
        progress(STAGE, number / len(prompts))
        ids = torch.tensor([list(prompt)], device=model.device)
        with torch.inference_mode():
            found = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=LONGEST, **plain | settings
            )[0, len(prompt) :].tolist()
        answers.append(family.answer_text(tokenizer, list(prompt), until(found, set(stops))))
    del model
    release_memory()
    return answers


TRANSFORMERS = ExportTool("transformers", ask_transformers)
PEFT = ExportTool("PEFT", ask_peft)
