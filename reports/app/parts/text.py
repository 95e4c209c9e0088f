"""Text in the app."""

import re


def plain(text: str) -> str:
    """Text escaped for Streamlit's Markdown, because names and paths may contain any character."""
    return re.sub(r"([\\\\`*_\[\]$:<>~#|])", r"\\\1", text)
