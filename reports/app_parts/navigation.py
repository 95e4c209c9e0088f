"""From one page of the app to another, with the choices in the address."""

import streamlit as st


def open_layout(layout: str, **choices: str) -> None:
    """Go to the page Compare at this layout. choices: further parts of its address. Does not return."""
    kept = {name: st.query_params.get_all(name) for name in st.query_params}
    st.switch_page(st.session_state["pages"]["Compare"], query_params={**kept, "layout": layout, **choices})
