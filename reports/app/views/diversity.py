"""Methods with several images per layout: all images, their diversity, the modes they cover."""

import streamlit as st

from evaluation.run_directory import PHOTOS
from reports.app.parts import address, selection, viewer
from reports.app.parts.scoretables import show_table
from reports.app.parts.sources import Source
from reports.app.parts.text import plain
from reports.tables import scores as tables

METRICS = ("diversity", "modes")


def show(source: Source) -> None:
    """The page. Raises InputError when the run has no layouts."""
    st.subheader("Diversity", anchor=False)
    size = source.size
    several = {method.name: method for method in source.methods if method.images_per_layout > 1}
    if several and not source.whole:
        st.info("Reference results contain one image per layout; the scores below are of all images.")
    elif several:
        _images(source, several, size)
    else:
        st.info("No method of this run makes more than one image per layout (crn_diversity would).")
    table = tables.main_table(source.methods, source.scores)
    for metric in METRICS:
        if (part := table.of_metric(metric)).columns:
            st.markdown(f"**{plain(part.columns[0].metric_title)}**")
            show_table(part, key=f"diversity {metric}")


def _images(source: Source, several: dict, size: tuple[int, int]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Method", list(several), key="of", format_func=source.titles.get, bind="query-params",
                            persist_state="session", width=300)
        with st.popover("Layouts", icon=":material/filter_list:"):
            found = selection.choose(source)
    if not found.layouts:
        st.warning("No layout matches; choose fewer classes or tags under Layouts.")
        return
    k = several[name].images_per_layout
    panes = [viewer.pane(source, viewer.LAYOUT), viewer.pane(source, PHOTOS),
             *(viewer.variant_pane(source, name, u) for u in range(1, k + 1))]
    layout = address.layout(source.layouts, found.layouts[0])
    viewer.show(source, panes, found.layouts, layout, size, key="variants")
