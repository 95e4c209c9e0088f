"""The view in the browser's address, so that a link reopens it and the browser's Back goes to the layout before.

Choices are bound to it by their widgets. The layout is written here instead: setting it makes an entry in the
browser's history, which a bound widget does not.
"""

from collections.abc import Sequence

import streamlit as st


def layout(layouts: Sequence[str], otherwise: str) -> str:
    """The layout of the address, where it is one of these."""
    name = st.query_params.get("layout")
    return name if name in layouts else otherwise


def go_to_layout(name: str, zoom: str | None = None) -> None:
    """zoom: as the viewer writes it, empty for the whole picture; None: as it is."""
    st.query_params["layout"] = name
    if zoom:
        st.query_params["zoom"] = zoom
    elif zoom == "" and "zoom" in st.query_params:
        del st.query_params["zoom"]


def zoom() -> str:
    return st.query_params.get("zoom", "")
