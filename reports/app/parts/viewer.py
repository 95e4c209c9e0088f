"""The viewer in the browser: pictures side by side or two in one place, with one zoom for all of them.

A component of Streamlit's second kind: its page, style and script stand in web/, need no build and ask no network.
It loads pictures from their addresses (see serving) and steps through the layouts by itself; the page follows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from evaluation.run_directory import PHOTOS
from reports.app.parts import address
from reports.app.parts.sources import Source

WEB = Path(__file__).parent / "web"
VIEWS = {"side": "Side by side", "slider": "Slider", "blink": "A/B blink", "difference": "Difference",
         "overlay": "Layout over"}
IN_PLACE = ("slider", "blink", "difference")  # views of two pictures
LAYOUT = "layout"  # the pane of the layout itself


@dataclass(frozen=True)
class Pane:
    """`url`: the address of its picture, "{layout}" in place of the layout's name."""

    id: str
    title: str
    url: str


def pane(source: Source, name: str) -> Pane:
    """name: LAYOUT, PHOTOS or a method's."""
    if name == LAYOUT:
        return Pane(name, "Layout", f"pictures/{source.number}/layouts/{{layout}}")
    if name == PHOTOS:
        return Pane(name, "Photograph", f"pictures/{source.number}/photos/{{layout}}")
    kind = "images" if source.whole else "previews"
    return Pane(name, source.titles[name], f"pictures/{source.number}/{kind}/{quote(name, safe='')}/{{layout}}")


def names(source: Source) -> list[str]:
    """What has a picture of a layout: the layout and the photograph, where there are such, and every method."""
    return [*([LAYOUT, PHOTOS] if source.whole else []), *source.titles]


def titles(source: Source) -> dict[str, str]:
    return {LAYOUT: "Layout", PHOTOS: "Photograph", **source.titles}


def variant_pane(source: Source, method: str, u: int) -> Pane:
    return Pane(str(u), f"image {u}", f"pictures/{source.number}/variants/{quote(method, safe='')}/{{layout}}/{u}")


_component = st.components.v2.component(
    "sis_viewer", html=(WEB / "viewer.html").read_text(encoding="utf-8"),
    css=(WEB / "viewer.css").read_text(encoding="utf-8"),
    js="\n".join((WEB / name).read_text(encoding="utf-8") for name in
                 ("pictures.js", "stage.js", "sheet.js", "viewer.js")))


def show(source: Source, panes: Sequence[Pane], layouts: Sequence[str], layout: str, size: tuple[int, int],
         view: str = "side", pair: tuple[str, str] | None = None, key: str = "viewer") -> None:
    """The viewer at `layout`, stepping through `layouts`; a step writes the layout into the address.

    pair: two of the panes' ids, for the views that show two in one place. size: (height, width) of the layouts.
    """
    def go() -> None:
        asked = st.session_state[key].go
        st.session_state[f"{key} step"] = asked["n"]
        address.go_to_layout(asked["layout"], asked["zoom"])

    _component(key=key, on_go_change=go, data={
        "run": source.name, "panes": [asdict(pane) for pane in panes], "layouts": list(layouts), "layout": layout,
        "size": list(size), "view": view, "pair": list(pair or [panes[0].id, panes[-1].id]), "overlay": LAYOUT,
        "zoom": address.zoom(), "ack": st.session_state.get(f"{key} step", 0)})
