"""Download: which model fits, and from where? The catalogue with memory and licences, and the downloads under way.

Downloads are threads of the server: they go on when the tab is closed. What a server left unfinished can be continued.
"""

import streamlit as st

from glm_core import i18n, state, ui
from glm_core.hub import download_job, sources
from glm_core.hub.published import ELSEWHERE, PUBLISHED, Elsewhere, Published
from glm_core.i18n import t
from glm_core.machine import machine
from glm_core.markdown import literal
from glm_core.models import describe_config
from pages.parts import hub_source
from pages.parts.models.download_progress import draw_download
from pages.parts.models.memory_needs import needs, verdict


def begin(kind: str, repo: str, endpoint: str, token: str) -> None:
    """Start a download and show the page anew. While shared, only administrators name the address of a mirror."""
    if endpoint and state.sharing().on:
        ui.must_be("administrator")
    download_job.start(sources.Source(kind, repo.strip(), endpoint), token)
    ui.note("audit.model.download", repo.strip())
    st.rerun()


def draw_model(model: Published, kind: str, endpoint: str, token: str) -> None:
    """One model of the catalogue, with its download where there is one and the button that begins it where there is none."""
    repo = model.modelscope if kind == "modelscope" else model.huggingface
    under_way = known.get(model.name.lower())
    with st.container(border=True, key=f"model-{model.name}", gap="xsmall"):
        left, right = st.columns([6, 1], vertical_alignment="center")
        with left, st.container(gap="xsmall"):
            draw_facts(model)
        with right, st.container(horizontal=True, horizontal_alignment="right"), ui.guarded():
            if model.name.lower() in have:
                st.caption(t("download.have"), text_alignment="right")
            elif under_way is None and not repo:
                st.caption(t("download.not_there"), text_alignment="right")
            elif under_way is None and st.button(
                t("download.begin"), icon=":material/download:", key=f"get-{model.name}"
            ):
                begin(kind, repo, endpoint, token)
        if under_way is not None:
            draw_download(under_way, token)


def draw_facts(model: Published) -> None:
    """Description of a model, its needs and its licence."""
    found = describe_config(model.described, model.name)
    bits = f" :gray-badge[int{found.bits}]" if found.bits else ""
    first = f" :green-badge[{t('download.laptop')}]" if model.laptop else ""
    st.markdown(f"**{model.name}**{bits}{first}")
    parameters, context = f"{found.parameters / 1e9:.2g} B", f"{found.context_length:,}"
    st.markdown(verdict(model.name))
    facts = t("download.facts", parameters=parameters, context=context, size=i18n.size(model.download_bytes))
    licence = [t(model.licence(found.family))] + ([t(model.note)] if model.note else [])
    st.caption("  \n".join([facts, *needs(model.name), *licence]))


def draw_elsewhere(model: Elsewhere) -> None:
    """A model that only a server elsewhere can answer with: what it is, why it is not here, and how to ask it."""
    with st.container(border=True, key=f"elsewhere-{model.name}", gap="xsmall"):
        st.markdown(f"**{model.name}** :gray-badge[{t('catalogue.elsewhere')}]")
        sizes = {"parameters": f"{model.parameters / 1e9:.0f} B", "active": f"{model.active / 1e9:.0f} B"}
        facts = t(
            "download.facts_elsewhere",
            context=f"{model.context_length:,}",
            size=i18n.size(model.download_bytes),
            **sizes,
        )
        why = t(model.why, name=model.name, kind="glm4_moe_lite")
        st.caption("  \n".join([facts, why, t("download.ask_elsewhere"), t(model.licence)]))


def draw_other_repository(kind: str, endpoint: str, token: str) -> None:
    """Any repository that is not in the catalogue, and the downloads of such ones beneath."""
    with st.expander(t("download.other"), icon=":material/link:"), ui.guarded():
        repo = st.text_input(
            t("download.repo"), key="repo", placeholder="zai-org/chatglm3-6b", help=t("download.repo_help")
        )
        if st.button(t("download.begin"), key="get-other", disabled=not repo.strip()):
            begin(kind, repo, endpoint, token)
    for name in sorted(known.keys() - {model.name.lower() for model in PUBLISHED}):
        with st.container(border=True, key=f"download-{name}", gap="xsmall"):
            st.markdown(f"**{literal(known[name].name)}**")
            draw_download(known[name], token)


def draw_by_hand() -> None:
    """A folder of this machine, and files fetched by hand."""
    with st.expander(t("download.folder"), icon=":material/folder:"):
        st.markdown(t("download.folder_about", folder=download_job.models_folder()))
        st.code("python -m glm_core.hub add /path/to/chatglm-6b", language="bash", wrap_lines=True)
    with st.expander(t("download.by_hand"), icon=":material/fact_check:"):
        st.markdown(t("download.by_hand_about", folder=download_job.models_folder()))
        listed = [model for model in PUBLISHED if model.digests]
        model = st.selectbox(t("download.digests_of"), listed, format_func=lambda one: one.name, key="digests")
        st.caption(t("download.digests_use"))
        lines = [f"{facts['sha256']}  {name}" for name, facts in model.digests.items()]
        st.code("\n".join(lines), language=None, wrap_lines=True)


def arranged() -> list[Published]:
    """The catalogue, what was being downloaded when this visit began first; nothing moves afterwards."""
    order = st.session_state.setdefault("order", [model.name for model in PUBLISHED if model.name.lower() in known])
    return sorted(PUBLISHED, key=lambda model: model.name not in order)


ui.begin("download")
ui.link("models", t("download.back"), icon=":material/arrow_back:")
st.title(t("page.download"), anchor=False)
st.caption(t("download.free", free=i18n.size(machine.machine().disk_free), folder=download_job.models_folder()))
known = {one.name.lower(): one for one in download_job.downloads()}
have = {path.name.lower() for path in download_job.models_folder().glob("[!.]*")} - set(known)
kind, endpoint, token = hub_source.draw(warn=True)
draw_other_repository(kind, endpoint, token)
for model in arranged():
    draw_model(model, kind, endpoint, token)
for model in ELSEWHERE:
    draw_elsewhere(model)
draw_by_hand()
