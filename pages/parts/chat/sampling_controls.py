"""The top of the chat page: which model answers, what it is told first, and how its tokens are sampled."""

from collections.abc import Sequence

import streamlit as st

from glm_core import ui
from glm_core.chat.conversations import LONGEST_SYSTEM, Conversation
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.markdown import unique_labels
from glm_core.models import describe
from glm_core.models.thinking import find_template
from glm_core.runs import store
from glm_core.serving.remote.body import official_sampling
from glm_core.serving.served_models import ServedModel
from pages.parts import thinking_control
from pages.parts.chat.current import act

IDLE = {"temperature": 0.8, "top_p": 0.8, "top_k": 0, "repetition_penalty": 1.0, "max_new_tokens": 512}
STEP_SIZES = {"temperature": 0.05, "top_p": 0.01, "top_k": 1, "repetition_penalty": 0.01, "max_new_tokens": 1}
THOUGHTFUL = 4096
"Tokens of an answer of a model that thinks."
RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 200),
    "repetition_penalty": (1.0, 2.0),
    "max_new_tokens": (1, 4096),
}


def choose_model(choices: Sequence[ServedModel], conversation: Conversation) -> ServedModel:
    """The model at the top: the conversation's, the address' run, the run last looked at, the reader's newest, or the first base."""
    names = {choice.name: choice for choice in choices}
    wanted = st.session_state.get("model") or conversation.model or st.session_state.get("last_run")
    own = (run.id for run in store.runs() if run.owner == conversation.user and run.id in names)
    st.session_state.model = wanted if wanted in names else choices[0].name if wanted else next(own, choices[0].name)
    labels = {
        choice.name: t("chat.tuned", name=choice.title, base=choice.base.name) if choice.tuned else choice.title
        for choice in choices
    }
    labels = unique_labels(labels, {choice.name: ui.local_time(choice.created) for choice in choices})
    key = st.selectbox(t("chat.model"), list(names), format_func=labels.get, key="model", label_visibility="collapsed")
    return names[key]


@st.cache_data(max_entries=32, show_spinner=False)
def about(base: str) -> tuple[dict, bool, bool]:
    """Where the dials of a base start, whether its family has a system message, and whether it can think.

    Of a model elsewhere only the name tells the family; of an unknown one the usual values, and all that OpenAI's interface has.
    """
    try:
        family = describe(base).family
    except EasyError:
        return IDLE | official_sampling(base), True, True
    thinks = find_template(base) is not None
    return IDLE | family.sampling | ({"max_new_tokens": THOUGHTFUL} if thinks else {}), family.system, thinks


def draw(choice: ServedModel, conversation: Conversation) -> dict:
    """The system prompt where there is one, and the sampling controls; returns the fields of a `Request`."""
    official, system, thinks = about(str(choice.base))
    if system:
        draw_system(conversation)
    if st.session_state.get("sampling_of") != official or "dial_temperature" not in st.session_state:
        st.session_state.sampling_of = official
        set_sampling(official)
    thinking = thinking_control.draw("dial_thinking") if thinks else None
    values = {name: draw_slider(name, step, RANGES[name]) for name, step in STEP_SIZES.items()}
    values["strength"] = st.session_state.get("dial_strength", 1.0) if choice.tuned else 1.0
    seed = st.text_input(
        t("chat.seed"), help=t("chat.seed_help"), key="dial_seed", max_chars=10, persist_state="session"
    )
    values["thinking"] = thinking
    values["seed"] = int(seed) if seed.isascii() and seed.strip().isdecimal() else None
    st.button(t("chat.defaults"), on_click=ui.checked(set_sampling), args=(official,), key="defaults", width="stretch")
    return values


def draw_strength(conversation: Conversation) -> None:
    """The adapter's strength, over the conversation; letting go of it answers the last question anew."""
    st.session_state.setdefault("dial_strength", 1.0)
    told = {"help": t("chat.strength_help"), "key": "dial_strength", "persist_state": "session"}
    st.slider(t("chat.strength"), 0.0, 1.5, step=0.05, on_change=ui.checked(ask_again), args=(conversation,), **told)


def ask_again(conversation: Conversation) -> None:
    """Answer the last question with the new strength, where there is one."""
    if conversation.messages:
        act(conversation.again)


def draw_slider(name: str, step: float, bounds: tuple) -> float:
    """One slider with its meaning."""
    label, help = t(f"chat.{name}"), t(f"chat.{name}_help")
    return st.slider(label, *bounds, step=step, help=help, key=f"dial_{name}", persist_state="session")


def set_sampling(values: dict) -> None:
    """Set every control to `values`."""
    for name, value in values.items():
        st.session_state[f"dial_{name}"] = value
    st.session_state.dial_seed = ""
    st.session_state.dial_strength = 1.0
    st.session_state.dial_thinking = "default"


def draw_system(conversation: Conversation) -> None:
    """Field of the system message; stored with the conversation."""
    key = f"system-{conversation.id}"
    st.text_area(
        t("chat.system"),
        conversation.system,
        key=key,
        max_chars=LONGEST_SYSTEM,
        help=t("chat.system_help"),
        height=90,
        placeholder=t("chat.system_example"),
        on_change=ui.checked(keep_system),
        args=(conversation, key),
    )


def keep_system(conversation: Conversation, key: str) -> None:
    """Tell the model this from the next answer on."""
    conversation.system = st.session_state[key].strip()
    conversation.save()
