"""Widgets that show what is kept elsewhere, and change it."""

import streamlit as st


def show(key: str, kept: object) -> None:
    """Let the widget `key` show `kept`, also where another tab or reader has changed that since; call it before the widget is drawn.

    Else the widget, which keeps what it showed, would look as if its reader had changed it back. It is drawn without a value of its own,
    and the page anew once a change of it is kept.
    """
    drawn = f"{key}-kept"
    if key not in st.session_state or st.session_state.get(drawn) != kept:
        st.session_state[key] = kept
    st.session_state[drawn] = kept
