"""How all sides of the compare page answer: the likeliest or sampled tokens, with a thought or without, at what strength."""

from pathlib import Path

import streamlit as st

from glm_core import ui
from glm_core.errors import EasyError
from glm_core.evaluation.side_by_side import SEED
from glm_core.i18n import t
from glm_core.models.thinking import find_template
from pages.parts import thinking_control, widgets

THOUGHTFUL = 2048
"Tokens of an answer with its thought."
STRONGEST = 1.5
SEEDS = (0, 2**31 - 1)


def draw_sampling(base: Path) -> dict:
    """How all answer: the likeliest token each time, or sampled; and whether they think first, where the base can."""
    drawn = st.toggle(t("compare.sampled"), key="sampled", help=t("compare.sampled_help"))
    seed = widgets.number_input(
        t("chat.seed"), *SEEDS, SEED, help=t("compare.seed_help"), key="seed", disabled=not drawn
    )
    fields = {"temperature": None if drawn else 0.0, "seed": seed if drawn else SEED}
    if find_template(base) is not None:
        fields["thinking"] = thinking_control.draw("thinking")
        if fields["thinking"] is not False:
            fields["max_new_tokens"] = THOUGHTFUL
    return fields


def must_have_seed(fields: dict) -> None:
    """Go on only if all sides have one seed to draw with.

    Raises:
        EasyError: the field of `draw_sampling` holds none.
    """
    if fields["seed"] is None:
        raise EasyError("ui.number_range", label=t("chat.seed"), low=SEEDS[0], high=SEEDS[1])


def draw_strength() -> float:
    """The adapters' strength, over the answers, at first as the address has it; letting go of it asks again."""
    if "strength" not in st.session_state:
        st.session_state.strength = asked_strength()
    told = {"help": t("chat.strength_help"), "key": "strength", "on_change": ui.checked(ask_again)}
    return st.slider(t("chat.strength"), 0.0, STRONGEST, step=0.05, **told)


def asked_strength() -> float:
    """The strength in the address, 1 where there is none that can be set."""
    try:
        asked = float(st.query_params.get("strength", "1"))
    except ValueError:
        return 1.0
    return round(asked, 2) if 0 <= asked <= STRONGEST else 1.0


def ask_again() -> None:
    """Answer the question in view once more, with what has been changed."""
    st.session_state.comparing = "panes" in st.session_state
