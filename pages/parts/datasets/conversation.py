"""A conversation of a data set, as it stands in its row."""

import streamlit as st

from glm_core import i18n
from glm_core.i18n import t
from glm_core.markdown import literal

AVATARS = {"user": ":material/person:", "assistant": ":material/smart_toy:", "tool": ":material/build:"}
LONGEST_SHOWN = 4_000


def draw(messages: list[dict]) -> None:
    """Draw a conversation of a data set: text literally, never as markup, and very long texts by their start."""
    for message in messages:
        content = literal(message["content"][:LONGEST_SHOWN])
        if message["role"] == "system":
            st.caption(t("datasets.system", words=content))
            continue
        if tools := message.get("tools"):
            names = i18n.join([tool["function"]["name"] for tool in tools], "item")
            st.caption(f":material/build: {literal(t('datasets.tools', names=names))}")
        with st.chat_message(message["role"], avatar=AVATARS[message["role"]]):
            if thought := message.get("reasoning_content"):
                st.caption(f":material/psychology: {literal(thought[:LONGEST_SHOWN])}")
            if content:
                st.markdown(content)
            if message["role"] == "assistant" and not message.get("learn", True):
                st.caption(t("datasets.not_learned"))
            for call in message.get("tool_calls") or ():
                function = call["function"]
                st.markdown(f":material/build: {literal(function['name'])}")
                st.json(function["arguments"], expanded=False)
