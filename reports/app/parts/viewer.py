"""The viewer in the browser: pictures side by side or two in one place, with one zoom for all of them.

A Streamlit component (version 2): its page, style and script are in web/ and need no build and no network.
It loads pictures from their addresses (see serving) and steps through the layouts itself; the page follows.
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
IN_PLACE = ("slider", "blink", "difference")  # views of two pictures in one place
LAYOUT = "layout"  # the pane of the layout itself


@dataclass(frozen=True)
class Pane:
    """url: address of its picture, with "{layout}" for the layout's name."""

    id: str
    title: str
    url: str


def pane(source: Source, name: str, pictures: str = "") -> Pane:
    """name: LAYOUT, PHOTOS or that of a method. pictures: address of the methods' pictures, by default the source's."""
    if name == LAYOUT:
        return Pane(name, "Layout", f"pictures/{source.number}/layouts/{{layout}}")
    if name == PHOTOS:
        return Pane(name, "Photograph", f"pictures/{source.number}/photos/{{layout}}")
    pictures = pictures or source.pictures[source.budget]
    return Pane(name, source.titles[name], f"{pictures}/{quote(name, safe='')}/{{layout}}")


def names(source: Source) -> list[str]:
    """Names of all pictures of a layout: layout and photograph (not in a reference), and every method."""
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
    """Show the viewer at `layout`. It steps through `layouts`, and each step writes the layout into the address.

    pair: two of the panes' ids, for views of two pictures in one place. size: (height, width) of the layouts.
    """
    def go() -> None:
        target = st.session_state[key].go
        st.session_state[f"{key} step"] = target["n"]
        address.go_to_layout(target["layout"], target["zoom"])

    _component(key=key, on_go_change=go, data={
        "run": source.name, "panes": [asdict(pane) for pane in panes], "layouts": list(layouts), "layout": layout,
        "size": list(size), "view": view, "pair": list(pair or [panes[0].id, panes[-1].id]), "overlay": LAYOUT,
        "zoom": address.zoom(), "ack": st.session_state.get(f"{key} step", 0)})
