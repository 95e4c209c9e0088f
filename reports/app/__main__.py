"""The app: look at the images and scores of one run or several.

    python -m reports.app --run runs/street
    python -m reports.app --run runs/street runs/cityscapes

It listens on this machine only, collects no statistics and never connects to another machine.
--address 0.0.0.0 opens it to the network: anyone who can reach the port sees every picture of the runs and can write
notes. --base-path PATH is for a proxy that serves the app below a path.

This is Streamlit's server with two additional routes, which serve pictures as files. The pages are in
reports/app/views: a new page is one file there with a function show(source), and one line in reports.app.menu.PAGES.
"""

import sys
from pathlib import Path
from typing import Any

import streamlit as st

from reports.app import menu  # noqa: F401 - loaded before the first visitor, who need not wait
from reports.app.parts.serving import routes
from reports.app.parts.sources import command_line

# Curves: colours that are distinct for colour-blind readers (Okabe and Ito); on dark pages white and yellow replace
# black and dark hues. Both themes are set, so that the browser's own setting chooses between them.
SETTINGS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "server.headless": True,  # no question for an e-mail address on first start; the address is printed
    "server.fileWatcherType": "none",
    "client.toolbarMode": "viewer",  # a menu with light and dark themes, without developer tools
    "theme.light.primaryColor": "#0b5cad",
    "theme.light.chartCategoricalColors": ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
                                           "#8c8c8c"],
    "theme.dark.primaryColor": "#6cb2f5",
    "theme.dark.chartCategoricalColors": ["#56b4e9", "#e69f00", "#2bc492", "#e59ac6", "#f0e442", "#ff7f3f", "#ffffff",
                                          "#a0a0a0"],
}


def main() -> None:
    arguments = command_line(__doc__).parse_args()
    base = arguments.base_path.strip("/")
    server = {"server.address": arguments.address, "server.baseUrlPath": base}
    if arguments.port is not None:
        server["server.port"] = arguments.port
    app = st.App(Path(__file__).with_name("script.py"), routes=routes(sys.argv[1:], base))
    app.run(config=SETTINGS | server)


if __name__ == "__main__":
    main()
