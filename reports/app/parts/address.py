"""The view in the browser's address, so that a link reopens it and the browser's Back goes to the layout before.

Widgets bind their choices to it. The layout is written here instead, because setting it adds an entry to the browser's
history, which a bound widget does not.
"""

from collections.abc import Sequence

import streamlit as st


def layout(layouts: Sequence[str], otherwise: str) -> str:
    """The layout in the address if it is one of `layouts`, else `otherwise`."""
    name = st.query_params.get("layout")
    return name if name in layouts else otherwise


def go_to_layout(name: str, zoom: str | None = None) -> None:
    """zoom: as the viewer writes it, empty for the whole picture; None: unchanged."""
    st.query_params["layout"] = name
    if zoom:
        st.query_params["zoom"] = zoom
    elif zoom == "" and "zoom" in st.query_params:
        del st.query_params["zoom"]


def zoom() -> str:
    return st.query_params.get("zoom", "")
