"""Download: which model fits, and from where? The catalogue with memory and licences, and the downloads under way.

Downloads are threads of the server: they go on when the tab is closed. What a server left unfinished can be continued.
"""

import streamlit as st

from glm_core import text, ui, workspace
from glm_core.models import describe_config, downloads, hub
from glm_core.models.catalogue import PUBLISHED, Published
from glm_core.runs import resources
from glm_core.serving.display import literal
from glm_core.text import say as t

REFRESH_SECONDS = 1.0
TOKENS = 2048  # of a conversation whose keys and values are counted for answering
SOURCES = ("modelscope", "huggingface", "mirror")


@st.cache_data(show_spinner=False)
def needs(name: str, language: str) -> list[tuple[str, str]]:
    """What training and answering with a published model take on a card, by precision, as (label, figures)."""
    from glm_core.training import memory
    from glm_core.training.settings import PRESETS

    model = next(one for one in PUBLISHED if one.name == name)
    shape = memory.read_shape(model.described)
    rows = {"train": [], "answer": []}
    for quantization in ("none",) if shape.bits else ("none", "int8", "nf4"):
        settings = PRESETS["advertisement"].changed(method="lora", micro_batch=1, quantization=quantization)
        found = memory.estimate(shape, settings, device="cuda", limit=0)
        answering = found.parts["weights"] + found.parts["context"] + 4 * TOKENS * shape.layers * shape.key
        precision = f"int{shape.bits}" if shape.bits else {"none": "bf16"}.get(quantization, quantization)
        for job, size in (("train", found.peak_bytes), ("answer", answering)):
            fitting = [card for card, gib in memory.CARDS.items() if size <= gib * 2**30 * memory.CARD_SHARE]
            card = t("download.card", card=fitting[0]) if fitting else t("download.no_card")
            rows[job].append(f"{precision} {text.size(size)} ({card})")
    return [(t(f"download.{job}"), " · ".join(figures)) for job, figures in rows.items()]


def draw_source() -> tuple[str, str, str]:
    """Where from: kind of hub, its address ("" for the official one), an access token."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.segmented_control(t("download.from"), SOURCES, default=SOURCES[0], required=True, key="from",
                                    format_func=lambda one: t(f"download.from.{one}"))  # fmt: skip
    endpoint = ""
    with right, st.popover(t("download.token"), icon=":material/key:", key="token_box"):
        token = st.text_input(t("download.token"), type="password", key="token", help=t("download.token_help"))
    if chosen == "mirror":
        endpoint = st.text_input(t("download.endpoint"), key="endpoint", placeholder="https://hf-mirror.com",
                                 help=t("download.endpoint_help"))  # fmt: skip
        st.caption(t("download.mirror_warning"))
    return "modelscope" if chosen == "modelscope" else "huggingface", endpoint.strip(), token.strip()


def begin(kind: str, repo: str, endpoint: str, token: str) -> None:
    """Start a download and show the page anew."""
    downloads.start(hub.Source(kind, repo.strip(), endpoint), token)
    st.rerun()


def draw_model(model: Published, kind: str, endpoint: str, token: str, have: set[str]) -> None:
    """One model of the catalogue and its button, or why there is none."""
    found = describe_config(model.described, model.name)
    with st.container(border=True, key=f"model-{model.name}"):
        left, right = st.columns([4, 1], vertical_alignment="center")
        with left:
            bits = f" :gray-badge[int{found.bits}]" if found.bits else ""
            st.markdown(f"**{model.name}**{bits}")
            parameters, context = f"{found.parameters / 1e9:.2g} B", f"{found.context_length:,}"
            size = text.size(model.download_bytes)
            st.caption(t("download.facts", parameters=parameters, context=context, size=size))
            for label, figures in needs(model.name, text.current()):
                st.caption(f"{label}：{figures}" if text.current() == "zh" else f"{label}: {figures}")
            st.caption(t(model.note or found.family.licence))
        with right, st.container(horizontal=True, horizontal_alignment="right"), ui.guarded():
            repo = model.modelscope if kind == "modelscope" else model.huggingface
            if model.name.lower() in have or repo.rpartition("/")[2].lower() in have:
                st.caption(t("download.have"))
            elif not repo:
                st.caption(t("download.not_there"))
            elif st.button(t("download.begin"), icon=":material/download:", key=f"get-{model.name}"):
                begin(kind, repo, endpoint, token)


def draw_downloads(token: str) -> None:
    """Downloads under way and left over, redrawn by themselves while one runs."""
    running = sum(one.state == "running" for one in downloads.downloads())
    st.fragment(draw_each, run_every=REFRESH_SECONDS if running else None)(running, token)


def draw_each(was_running: int, token: str) -> None:
    """Every download: how far, how fast, how long still; stop, continue, throw away."""
    known = downloads.downloads()
    if was_running and sum(one.state == "running" for one in known) < was_running:
        st.rerun()
    for one in known:
        with st.container(border=True, key=f"download-{one.name}"), ui.guarded():
            st.markdown(f"**{literal(one.name)}** :gray-badge[{t(f'download.state.{one.state}')}]")
            draw_progress(one)
            draw_actions(one, token)


def draw_progress(one: downloads.Download) -> None:
    """The bar with its figures, the error, or what the finished files were checked against."""
    now = one.progress()
    size = f"{text.size(now.done)} / {text.size(now.total)}"
    if one.state == "running":
        parts = [t(now.stage), now.file, size]
        if now.speed:
            parts.append(f"{text.size(now.speed)}/s")
        if now.seconds_left is not None:
            parts.append(t("download.left", time=text.duration(now.seconds_left)))
        st.progress(now.fraction, " · ".join(part for part in parts if part))
    elif one.state == "done":
        published, listed, unknown = one.verified()
        st.caption(t("download.verified", published=published, listed=listed, unknown=unknown))
    else:
        st.progress(now.fraction, size)
    if one.error is not None:
        ui.show_error(one.error)


def draw_actions(one: downloads.Download, token: str) -> None:
    """What can be done about one download now."""
    with st.container(horizontal=True):
        if one.state == "running":
            st.button(t("download.stop"), icon=":material/pause:", on_click=one.stop, key=f"stop-{one.name}")
        elif one.state == "done":
            if st.button(t("download.to_models"), key=f"open-{one.name}"):
                downloads.discard(one.name)
                ui.go("models")
        else:
            if st.button(t("download.resume"), icon=":material/play_arrow:", key=f"resume-{one.name}"):
                downloads.resume(one.name, token)
                st.rerun()
            with st.popover(t("download.discard"), icon=":material/delete:", key=f"discard-{one.name}"):
                st.caption(t("download.discard_about", size=text.size(one.progress().done)))
                if st.button(t("download.discard_sure"), key=f"sure-{one.name}"):
                    downloads.discard(one.name)
                    st.rerun()


def draw_others(kind: str, endpoint: str, token: str) -> None:
    """Any other repository, a folder of this machine, files fetched by hand."""
    with st.expander(t("download.other"), icon=":material/link:"), ui.guarded():
        repo = st.text_input(t("download.repo"), key="repo", placeholder="zai-org/chatglm3-6b", help=t("download.repo_help"))
        if st.button(t("download.begin"), key="get-other", disabled=not repo.strip()):
            begin(kind, repo, endpoint, token)
    with st.expander(t("download.folder"), icon=":material/folder:"):
        st.markdown(t("download.folder_about", folder=downloads.models_folder()))
        st.code("python -m glm_core.models add /path/to/chatglm-6b", language="bash")
    with st.expander(t("download.by_hand"), icon=":material/fact_check:"):
        st.markdown(t("download.by_hand_about", folder=downloads.models_folder()))
        known = [model for model in PUBLISHED if model.digests]
        model = st.selectbox(t("download.digests_of"), known, format_func=lambda one: one.name, key="digests")
        st.caption(t("download.digests_use"))
        lines = [f"{facts['sha256']}  {name}" for name, facts in model.digests.items()]
        st.code("\n".join(lines), language=None)


ui.begin("download")
ui.link("models", t("download.back"), icon=":material/arrow_back:")
st.title(t("page.download"), anchor=False)
st.caption(t("download.free", free=text.size(resources.machine().disk_free), folder=workspace.home()))
with ui.guarded():
    kind, endpoint, token = draw_source()
    draw_downloads(token)
    have = {path.name.lower() for path in downloads.models_folder().glob("[!.]*")}
    have |= {one.name.lower() for one in downloads.downloads()}
    for model in PUBLISHED:
        draw_model(model, kind, endpoint, token, have)
    draw_others(kind, endpoint, token)
