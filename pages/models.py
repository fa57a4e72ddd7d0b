"""Models: what do I have, what fits? The installed models with their state, the memory they take, load and unload."""

from pathlib import Path

import psutil
import streamlit as st

from glm_core import state, text, ui, workspace
from glm_core.errors import EasyError
from glm_core.runs import resources
from glm_core.serving import catalogue
from glm_core.text import say as t


def disk_size(folder: Path) -> int:
    """Bytes of the files directly in `folder`."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


@st.cache_data(max_entries=64, show_spinner=False)
def facts(folder: Path, changed: float, language: str) -> str:
    """One line on the model in `folder`, or what is wrong with it. `changed` and `language` only tell cache entries apart."""
    from glm_core import models

    try:
        model = models.describe(folder)
    except EasyError as error:
        return str(error)
    return t(
        "models.facts",
        family=model.family.title,
        parameters=f"{model.parameters / 1e9:.1f} B" if model.parameters >= 1e9 else f"{model.parameters / 1e6:.1f} M",
        context=model.context_length,
        size=text.size(disk_size(folder)),
    )


def load(folder: Path) -> None:
    """Load `folder`, naming the stages while it goes on."""
    with st.status(t("models.loading", name=folder.name), expanded=False) as status, ui.guarded():
        state.engine().load(folder, lambda stage, fraction: status.update(label=t(stage)))
        st.rerun()


def draw_model(choice: catalogue.Choice) -> None:
    """One installed model: what it is, whether it is loaded, and the button that changes that."""
    loaded = state.loaded()
    here = loaded is not None and loaded.path == choice.base
    with st.container(border=True, key=f"model-{choice.name}"):
        left, right = st.columns([4, 1], vertical_alignment="center")
        with left:
            st.markdown(f"**{choice.name}**" + (f" :green-badge[{t('models.loaded')}]" if here else ""))
            st.caption(facts(choice.base, choice.created, text.current()))
        with right:
            if here and st.button(t("models.unload"), key=f"unload-{choice.name}", width="stretch"):
                state.engine().unload()
                st.rerun()
            wanted = not here and st.button(t("models.load"), key=f"load-{choice.name}", width="stretch")
        if wanted:
            load(choice.base)


ui.begin("models")
st.title(t("page.models"), anchor=False)
st.markdown(ui.machine_sentence(resources.machine()))
st.caption(t("models.memory", used=text.size(psutil.Process().memory_info().rss)))
bases = [choice for choice in catalogue.catalogue() if not choice.tuned]
for choice in bases:
    draw_model(choice)
if not bases:
    st.markdown(t("models.none"))
st.caption(t("models.add", folder=workspace.home() / "models"))
