"""Settings: how other programs call this one, who can reach it, where its files are, what it is made of."""

from importlib.metadata import version
from urllib.parse import urlsplit

import pandas as pd
import streamlit as st

from glm_core import __version__, ui, workspace
from glm_core.text import say as t

CURL = """curl {base}/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "你好"}}], "stream": true}}'"""
PYTHON = """from openai import OpenAI

client = OpenAI(base_url="{base}/v1", api_key="local")
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "你好"}}],
)
print(answer.choices[0].message.content)"""
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "streamlit")


def base_address() -> str:
    """The address under which the reader sees this server."""
    address = urlsplit(st.context.url or "")
    return (
        f"{address.scheme}://{address.netloc}" if address.netloc else f"http://localhost:{st.get_option('server.port')}"
    )


ui.begin("settings")
st.title(t("page.settings"), anchor=False)

st.subheader(t("settings.api"), anchor=False)
st.markdown(t("settings.api_about"))
base, model = base_address(), workspace.DEMO_MODEL.name
for tab, language, example in zip(st.tabs(["curl", "Python"]), ("bash", "python"), (CURL, PYTHON), strict=True):
    tab.code(example.format(base=base, model=model), language=language, wrap_lines=True)

st.subheader(t("settings.sharing"), anchor=False)
st.markdown(t("settings.sharing_about"))

st.subheader(t("settings.look"), anchor=False)
st.markdown(t("settings.look_about"))

st.subheader(t("settings.files"), anchor=False)
st.markdown(t("settings.files_about"))
st.code(str(workspace.home()), language=None)

st.subheader(t("settings.versions"), anchor=False)
st.table(
    pd.DataFrame(
        [("easyAIGC", __version__), *((name, version(name)) for name in LIBRARIES)],
        columns=[t("settings.library"), t("settings.version")],
    ),
    hide_index=True,
    width="content",
)
