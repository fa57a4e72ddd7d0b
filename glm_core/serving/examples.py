"""How to call the API, ready to paste into a terminal or a file."""

import contextlib

from glm_core import workspace
from glm_core.errors import EasyError

HEADER = '  -H "Authorization: Bearer {key}" \\\n'
CURL = """curl {base}/v1/chat/completions \\
  -H "Content-Type: application/json" \\
{header}  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "你好"}}], "stream": true}}'"""
PYTHON = """from openai import OpenAI

client = OpenAI(base_url="{base}/v1", api_key="{key}")
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "你好"}}],
)
print(answer.choices[0].message.content)"""


def curl(base: str, model: str, key: str) -> str:
    """A command that streams an answer of `model`; without `key` it sends none, as nobody needs one on this computer."""
    return CURL.format(base=base, model=model, header=HEADER.format(key=key) if key else "")


def python(base: str, model: str, key: str) -> str:
    """A script with OpenAI's client, which does not go without a key: any will do where none is needed."""
    return PYTHON.format(base=base, model=model, key=key or "local")


def model_of(engine) -> str:
    """The name of a model that answers; the embedded one's while a server elsewhere does not say.

    Args:
        engine: an `Engine` or `RemoteEngine`.
    """
    with contextlib.suppress(EasyError, IndexError):
        return engine.catalogue()[0].name
    return workspace.DEMO_MODEL.name
