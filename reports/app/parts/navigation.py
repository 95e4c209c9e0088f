"""Links from other pages of the app to a layout on the page Compare."""

import streamlit as st

from reports.app.parts.viewer import WEB

SCRIPT = (WEB / "open.js").read_text(encoding="utf-8")  # defines openLayout, for other components too

_component = st.components.v2.component(
    "sis_open", js=SCRIPT + "\nexport default function ({ data }) { openLayout(data); }\n")


def open_layout(layout: str, **choices: str | list[str]) -> None:
    """Open it in the browser. choices: other parts of the address, as widgets write them."""
    _component(data={"layout": layout, **choices}, key="open")
