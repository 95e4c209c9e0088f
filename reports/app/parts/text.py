"""Text in the app."""

import re


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows character for character: names and paths may hold anything."""
    return re.sub(r"([\\\\`*_\[\]$:<>~#|])", r"\\\1", text)
