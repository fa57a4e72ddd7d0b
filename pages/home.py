"""Home: what do I do next? A picture of what tuning does, three steps with their state, this machine, recent runs."""

import streamlit as st

from glm_core import ui
from glm_core.text import say as t

STEPS = (("datasets", ":material/dataset:"), ("training", ":material/model_training:"), ("compare", ":material/compare:"))

ui.begin("home")

st.title(t("home.headline"), anchor=False)
st.markdown(t("home.promise"))

with st.container(border=True, key="picture"):
    st.caption(t("home.question"))
    before, after = st.columns(2, gap="medium")
    with before:
        st.markdown(f":gray[{t('home.before')}]")
        st.markdown(t("home.answer_before"))
    with after:
        st.markdown(f":green[{t('home.after')}]")
        st.markdown(t("home.answer_after"))

if st.button(t("home.try"), type="primary", icon=":material/play_arrow:", key="try"):
    ui.go("datasets", set="imprint")

for number, (column, (page, icon)) in enumerate(zip(st.columns(3), STEPS, strict=True), start=1):
    with column, st.container(border=True, height="stretch", key=f"step-{page}"):
        st.markdown(f"{icon} **{number}. {t(f'page.{page}')}**")
        st.caption(t(f"home.step_{page}"))
