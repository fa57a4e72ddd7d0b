"""A model in words: what the folder of an installed one holds, what came of checking its files."""

from collections.abc import Sequence
from pathlib import Path

from glm_core import text, workspace
from glm_core.errors import EasyError
from glm_core.models import describe
from glm_core.models.installed import Checked
from glm_core.text import say


def facts(folder: Path) -> tuple[str, str]:
    """What the model in `folder` is, and its licence; or what is wrong with it, and nothing."""
    try:
        model = describe(folder)
        size = text.size(workspace.folder_size(folder))
    except (EasyError, OSError) as error:
        return str(error), ""
    values = {"family": model.family.title, "parameters": count(model.parameters), "context": f"{model.context_length:,}"}
    bits = f" · int{model.bits}" if model.bits else ""
    bundled = folder.parent == workspace.ASSETS / "models"
    return say("models.facts", **values, size=size) + bits, say("models.licence.bundled" if bundled else model.family.licence)


def count(parameters: int) -> str:
    """A number of parameters as people say it: `6.2 B`, `9.4 M`."""
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"


def verdict(found: Sequence[Checked]) -> str:
    """Which of the files checked are not what they should be, or that all are."""
    wrong = [f"{file.name}：{say(f'models.verdict.{file.verdict}')}" for file in found if file.verdict != "right"]
    return "; ".join(wrong) or say("models.verified", count=len(found))
