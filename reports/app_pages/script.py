"""What Streamlit runs for every view."""

import sys
from pathlib import Path

_HOUSE = str(Path(__file__).resolve().parents[2])
if sys.path[0] != _HOUSE:
    sys.path.insert(0, _HOUSE)

from reports.app_pages import menu  # noqa: E402

menu.main()
