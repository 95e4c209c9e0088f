"""The study page as text: one page for every route, wrapped by Jinja2 (autoescape), script and style inlined.

Routes: the study server (local, panels) and a form (tables in MTurk's format, which Turkle reads too). They differ in
where answers are sent; the module in pages/ decides by the JSON configuration made here.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from data.files import fingerprint
from human_study.batch.folder import PlannedTrial, TaskBatch
from human_study.protocol.matlab import table_columns
from human_study.protocol.protocols import Protocol, columns
from human_study.protocol.texts import Texts
from human_study.trials.draw import seconds

PAGES = Path(__file__).parent / "pages"
SHOWN = ("task", "timed", "delay_ms", "mask", "min_onset_gap_ms", "width", "height", "gap", "allow_touch",
         "stacked", "show_layout", "break_every", "screen_check", "colour_plates", "full_screen")
SECRET_TEXTS = {"choose_left", "choose_right", "instructions"}  # in pictures, or filled in already
PARTS = ("timing.js", "images.js", "transport.js", "trial.js", "ranking.js", "questions.js",
         "study.js")  # one module, in this order


@lru_cache
def script() -> str:
    """The module, without indentation and lines of comment: MTurk and Turkle limit the size of a page. Its parts share
    one scope, so they have neither import nor export."""
    lines = (line.strip() for part in PARTS for line in (PAGES / part).read_text(encoding="utf-8").splitlines())
    return "".join(line + "\n" for line in lines if line and not line.startswith("//"))


@lru_cache
def style() -> str:
    return (PAGES / "study.css").read_text(encoding="utf-8")


@lru_cache
def client_version() -> str:
    """12 hex digits that change with the page's code."""
    return hashlib.sha256((script() + style()).encode()).hexdigest()[:12]


@lru_cache
def templates() -> Any:
    """The Jinja2 environment of pages/; values are escaped."""
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
    words = [[texts.consent, texts.agree, texts.vision] for _, texts in sorted(protocol.texts.items())]
    return fingerprint(words, protocol.pay, protocol.ethics, protocol.contact)[:12]


def instructions(protocol: Protocol, texts: Texts) -> list[str]:
    """Instructions before the first pair."""
    if texts.instructions:
        return list(texts.instructions)
    task = texts.task_layout if protocol.show_layout else texts.task_timed if protocol.timed else texts.task
    checks = texts.checks_instructed if protocol.instruction_checks else texts.checks
    has_checks = protocol.sentinels or protocol.instruction_checks
    return [task, texts.duration, *([checks] if has_checks else []), texts.keys_timed if protocol.timed else texts.keys]


def about_the_study(protocol: Protocol, texts: Texts) -> list[str]:
    """Pay, approval and contact, where the protocol names them."""
    lines = ((texts.pay_label, protocol.pay), (texts.ethics_label, protocol.ethics),
            (texts.contact_label, protocol.contact))
    return [f"{label} {value}" for label, value in lines if value]


def page_config(protocol: Protocol, hit: list[PlannedTrial], language: str = "", **route: Any) -> dict:
    """The page's configuration, without anything that names a method. hit: the HIT, or the longest one of a study."""
    shown = [trial for trial in hit if trial.block == "test"]
    minutes = seconds(protocol, [trial.exposure_req_ms for trial in hit]) / 60
    checks = sum(trial.sentinel in ("perceptual", "instruction") for trial in shown)
    language = language if language in protocol.texts else protocol.languages[0]
    texts = protocol.text(language)
    plain = {name: getattr(protocol, name) for name in (*SHOWN, "choices")}
    count = max((len(trial.methods) for trial in hit), default=2)
    sizes = {"pictures": count, "columns": columns(count), "min_viewport": protocol.viewport(count)}
    return {**plain, **sizes, "language": language, "texts": texts.model_dump(mode="json", exclude=SECRET_TEXTS),
            "languages": {code: own.name for code, own in protocol.texts.items()},
            "instructions": instructions(protocol, texts), "about": about_the_study(protocol, texts),
            "stages": list(protocol.stages), "questions": [one.model_dump(mode="json") for one in protocol.questions],
            "consent_version": consent_version(protocol), "client_version": client_version(),
            "practice": sum(trial.block == "practice" for trial in hit),
            "numbers": {"trials": len(shown), "minutes": max(1, round(minutes)), "checks": checks}, **route}


def render_fragment(config: dict, fields: int = 0, nonce: str = "") -> str:
    """Style, fields and script without <html>: what MTurk's editor and Turkle put into their own form."""
    return fill("fragment.html.j2", texts=config["texts"], language=config["language"], css=Markup(style()),
                script=Markup(script()), config=script_json(config), fields=fields, nonce=nonce)


def render_document(config: dict, nonce: str) -> str:
    """A whole HTML document."""
    return fill("document.html.j2", texts=config["texts"], language=config["language"],
                fragment=Markup(render_fragment(config, nonce=nonce)))


def table_template(batch: TaskBatch) -> str:
    """The page for a HIT table, with placeholders ${image_A_url_1} ... that MTurk and Turkle fill in from each row."""
    longest = max(batch.hits.values(), key=len)
    names = table_columns(batch.protocol.timed, batch.protocol.show_layout)
    trials = [" ".join("${" + name.format(n) + "}" for name in names.values()) for n in range(1, len(longest) + 1)]
    config = page_config(batch.protocol, longest, route="form", cells=list(names), trials="\n".join(trials))
    return render_fragment(config, fields=len(longest))
