"""The study page as text: one page for every route, wrapped by Jinja2 (autoescape), script and style inlined.

Routes: the study server (local, panels) and a form (tables in MTurk's format, as Turkle takes them). What
differs is where answers go; the module in pages/ decides by the configuration given here as JSON.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from data.files import fingerprint
from human_study.batch.folder import Batch, PlannedTrial
from human_study.design.draw import seconds
from human_study.design.matlab import table_columns
from human_study.design.protocols import Protocol

PAGES = Path(__file__).parent / "pages"
PARTS = ("timing.js", "images.js", "transport.js", "trial.js", "study.js")  # one module, in this order


@lru_cache
def script() -> str:
    """The module. Its parts share one scope, so they have neither import nor export."""
    return "".join((PAGES / part).read_text(encoding="utf-8") for part in PARTS)


@lru_cache
def style() -> str:
    return (PAGES / "study.css").read_text(encoding="utf-8")


@lru_cache
def client_version() -> str:
    """12 hex digits that change with the page's code."""
    return hashlib.sha256((script() + style()).encode()).hexdigest()[:12]


@lru_cache
def templates() -> Any:
    """The Jinja2 environment of pages/; what is filled in is escaped."""
    from jinja2 import Environment, FileSystemLoader  # responses are read without it
    return Environment(loader=FileSystemLoader(PAGES), autoescape=True, keep_trailing_newline=True)


def fill(name: str, **values: Any) -> str:
    """A template of pages/ with its values."""
    return templates().get_template(name).render(**values)


def script_json(value: Any) -> Markup:
    """JSON for a <script> element: nothing in it can end the element or be read as markup."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def consent_version(protocol: Protocol) -> str:
    """12 hex digits that change with any word of the consent screen."""
    texts = protocol.texts
    return fingerprint(texts.consent, texts.pay, texts.ethics, texts.contact, texts.agree, texts.vision)[:12]


def page_config(protocol: Protocol, hit: list[PlannedTrial], **route: Any) -> dict:
    """What the page needs to know, and nothing that tells a method. `hit`: the HIT, or the longest one of a study."""
    shown = [trial for trial in hit if trial.block == "test"]
    minutes = seconds(protocol, [trial.exposure_req_ms for trial in hit]) / 60
    checks = sum(trial.sentinel in ("perceptual", "instruction") for trial in shown)
    texts = protocol.texts.model_dump(mode="json", exclude={"choose_left", "choose_right"})
    return {"texts": texts, "timed": protocol.timed, "delay_ms": protocol.delay_ms,
            "mask": protocol.mask, "min_onset_gap_ms": protocol.min_onset_gap_ms, "width": protocol.width,
            "height": protocol.height, "gap": protocol.gap, "min_viewport": list(protocol.min_viewport),
            "allow_touch": protocol.allow_touch, "consent_version": consent_version(protocol),
            "client_version": client_version(),
            "practice": sum(trial.block == "practice" for trial in hit),
            "numbers": {"trials": len(shown), "minutes": max(1, round(minutes)), "checks": checks}, **route}


def render_fragment(config: dict, fields: int = 0, nonce: str = "") -> str:
    """Style, fields and script without <html>: what MTurk's editor and Turkle put into their own form."""
    return fill("fragment.html.j2", texts=config["texts"], css=Markup(style()), script=Markup(script()),
                config=script_json(config), fields=fields, nonce=nonce)


def render_document(config: dict, nonce: str) -> str:
    """A whole HTML document."""
    return fill("document.html.j2", texts=config["texts"], fragment=Markup(render_fragment(config, nonce=nonce)))


def table_template(batch: Batch) -> str:
    """The page for a HIT table, with placeholders ${image_A_url_1} ... that MTurk and Turkle fill in from each row."""
    longest = max(batch.hits.values(), key=len)
    trials = [["${" + name + "}" for name in names] for names in table_columns(len(longest), batch.protocol.timed)]
    config = page_config(batch.protocol, longest, route="form", trials=trials)
    return render_fragment(config, fields=len(longest))
