"""A model card for what leaves the program: how it is used, base and its licence, data, training, what the report measured."""

from pathlib import Path

from glm_core import workspace
from glm_core.i18n import t
from glm_core.models import describe
from glm_core.runs.exchange.exporter import ExportSource
from glm_core.runs.files import read_record

FILE = "README.md"


def write(folder: Path, source: ExportSource, form: str, library: str = "transformers", usage: str = "") -> None:
    """Write `README.md` into `folder` for an export in the format `form`, which hubs load with `library`."""
    workspace.write_atomic(folder / FILE, text(source, form, library, usage))


def text(source: ExportSource, form: str, library: str, usage: str = "") -> str:
    """Return the card in Markdown, in the language in use; `usage` is its part on how the export is used."""
    run, base = source.run, describe(source.base)
    front = [
        "---",
        f"base_model: {base.name}",
        f"library_name: {library}",
        "---",
    ]
    sections = [
        f"# {_plain(run.name)}",
        t(f"card.what.{form}", base=_plain(base.name)),
        *([usage] if usage else []),
        "\n".join(f"- {line}" for line in _facts(source)),
        *_measured(source),
        t("card.licence", base=_plain(base.name), licence=t(base.family.licence)),
    ]
    return "\n".join(front) + "\n\n" + "\n\n".join(sections) + "\n"


def _facts(source: ExportSource) -> list[str]:
    run, settings = source.run, source.run.final_settings() or dict(source.run.settings)
    step = read_record(run.path / "adapter" / "easyaigc.json").get("step")
    facts = [
        t("card.data", name=_plain(str(run.dataset.get("name", "–"))), rows=f"{int(run.dataset.get('rows') or 0):,}")
    ]
    if type(step) is int and step:
        facts.append(t("card.steps", step=f"{step:,}"))
    shown = {
        key: settings[key]
        for key in ("method", "lora_rank", "prefix_length", "learning_rate", "epochs")
        if key in settings
    }
    shown |= {key: True for key in ("pissa", "dora", "rslora") if settings.get(key)}  # what changes what the rank means
    facts.append(t("card.settings", settings=", ".join(f"{key} = {value}" for key, value in shown.items())))
    if source.strength != 1:
        facts.append(t("card.strength", strength=f"{source.strength:g}"))
    return facts


def _measured(source: ExportSource) -> list[str]:
    return [t("card.measured") + "\n\n" + "\n".join(f"- {line}" for line in source.measured)] if source.measured else []


def _plain(value: str) -> str:
    """A name on one line."""
    return " ".join(value.split())
