"""What published models need: the memory for training and answering by precision, and what of it this computer has."""

import streamlit as st

from glm_core import i18n
from glm_core.hub.published import PUBLISHED
from glm_core.i18n import t
from glm_core.machine import machine

TOKENS = 2048  # of a conversation whose keys and values are counted for answering


@st.cache_data(show_spinner=False)
def sizes(name: str, device: str) -> dict[str, dict[str, int]]:
    """Bytes that training ("train") and answering ("answer") with a published model take on `device`, by precision."""
    from glm_core.training.memory import memory_estimate, model_dims

    model = next(one for one in PUBLISHED if one.name == name)
    shape = model_dims.read_shape(model.described)
    rows = {"train": {}, "answer": {}}
    for quantization in ("none",) if shape.bits or device == "cpu" else ("none", "int8", "nf4"):
        settings = example_settings().changed(quantization=quantization)
        found = memory_estimate.estimate(shape, settings, device=device, limit=0)
        answering = memory_estimate.answering_bytes(shape, quantization, device, TOKENS)
        precision = f"int{shape.bits}" if shape.bits else {"none": "bf16"}.get(quantization, quantization)
        rows["train"][precision], rows["answer"][precision] = found.peak_bytes, answering
    return rows


def example_settings():
    """The training whose memory is shown: LoRA, a row at a time, as long as an advertisement's."""
    from glm_core.training.settings import PRESETS

    return PRESETS["advertisement"].changed(method="lora", micro_batch=1)


def needs(name: str) -> list[str]:
    """What training and answering with a published model take on a GPU, by precision, in a line each."""
    from glm_core.training.memory import memory_advice

    tokens, lines = {"train": example_settings().lengths, "answer": f"{TOKENS:,}"}, []
    for job, found in sizes(name, "cuda").items():
        figures = []
        for precision, size in found.items():
            usable = {gpu: gib * 2**30 * memory_advice.GPU_SHARE for gpu, gib in memory_advice.CONSUMER_GPUS.items()}
            fitting = [gpu for gpu, room in usable.items() if size <= room]
            gpu = t("download.card", gpu=fitting[0]) if fitting else t("download.no_card")
            figures.append(t("download.need", precision=precision, size=i18n.size(size), gpu=gpu))
        lines.append(t(f"download.{job}", tokens=tokens[job], figures=" · ".join(figures)))
    return lines


def verdict(name: str) -> str:
    """What this computer can do with a published model: the finest precision that it can train, else only answer with; or neither."""
    from glm_core.training.memory import memory_advice

    found = machine.machine()
    device = "cuda" if found.gpus else "cpu"
    room = max((gpu.memory_total for gpu in found.gpus), default=found.memory_total) * memory_advice.GPU_SHARE
    for job, needed in sizes(name, device).items():
        fitting = [precision for precision, size in needed.items() if size <= room]
        if fitting:
            icon = "check_circle" if device == "cuda" and job == "train" else "warning"
            return f":material/{icon}: " + t(f"download.here.{device}_{job}", precision=fitting[0])
    return ":material/block: " + t("download.here.none")
