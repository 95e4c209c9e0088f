"""From one page of the app to another."""

import streamlit as st


def open_layout(layout: str, **choices: str) -> None:
    """Go to the page Compare at this layout. choices: of that page's widgets, by their keys. Does not return."""
    st.session_state.update(choices)
    st.switch_page(st.session_state["pages"]["Compare"], query_params={"layout": layout})
