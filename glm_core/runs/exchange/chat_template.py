"""Chat templates in Jinja, for tools that write the prompt themselves: transformers, vLLM, llama.cpp, Ollama.

Each renders the prompt that the family was trained with, a system message included. A family without one here
keeps that of its base.
"""

from pathlib import Path

from glm_core import workspace
from glm_core.models import describe

FOLDER = Path(__file__).with_name("templates")
FILE = "chat_template.jinja"


def for_folder(folder: Path) -> str:
    """Return the template of the model in `folder`, empty where its family has none (ChatGLM-6B)."""
    own = FOLDER / f"{describe(folder).family.name}.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8").rstrip("\n")
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    try:
        config = workspace.parse_json((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        found = config.get("chat_template")
    except (OSError, ValueError, AttributeError):
        return ""
    return found if isinstance(found, str) else ""
