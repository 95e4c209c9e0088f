"""The view in the browser's address, so that a link reopens it and the browser's Back goes to the layout before.

Choices are bound to it by their widgets. The layout is written here instead: setting it makes an entry in the
browser's history, which a bound widget does not.
"""

from collections.abc import Sequence

import streamlit as st


def layout(layouts: Sequence[str]) -> str:
    """The layout of the address, or the first one."""
    name = st.query_params.get("layout")
    return name if name in layouts else layouts[0]


def go_to_layout(name: str) -> None:
    st.query_params["layout"] = name
