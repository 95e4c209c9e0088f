"""Protocols as typed presets: everything a study does to its participants, in one frozen, hashed value.

Presets: `crn2017-unlimited` and `crn2017-timed` (the two experiments of Chen & Koltun 2017, section 5) and `lab` (our
own default). A YAML file with `extends: NAME` changes only what differs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data.configuration import apply_setting, first_problem, merge
from data.errors import InputError, nearest
from data.files import fingerprint, read_yaml
from human_study.design.matlab import EXPOSURES_MS, SENTINEL_MS
from human_study.design.rules import QualityRules

BLURRED = "blurred-photos"  # anchor made from the photographs: always worse than they are, independent of any method
UNDER_TEST = "under-test"  # sentinels show the photograph against the method under test, as in 2017
DISTORTION = 0.02  # of the pictures' shape on the screen; less is not seen
AROUND = 180  # points that the page needs above and below the pictures


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Texts(Frozen):
    """Every word a participant reads. {trials}, {minutes}, {checks} and {pay} are filled in."""

    language: str = "en"
    title: str = "Which picture looks more realistic?"
    question: str = "Which picture looks more realistic?"
    instructions: tuple[str, ...] = (
        "You will see {trials} pairs of pictures of the same scene, one pair at a time. "
        "Choose the picture that looks more like a real photograph.",
        "It takes about {minutes} minutes. You can pause between pairs.",
        "In {checks} of the pairs the better picture is obvious; they show whether the answers were given with care.",
        "Use the buttons, or the keys ← and → (or F and J).",
    )
    consent: tuple[str, ...] = (
        "This study compares pictures made by computer programs. You will look at pairs of pictures and choose the "
        "more realistic one. It needs eyesight (with glasses or lenses if you use them).",
        "Your answers and their timing, the size of your window and the kind of browser are stored under a pseudonym. "
        "Neither your name nor your network address is stored.",
        "Taking part is voluntary. You can stop at any time with the button “Withdraw”; "
        "your answers are then not analysed.",
    )
    contact: str = ""  # name and address for questions
    ethics: str = ""  # number of the approval by an ethics board
    pay: str = ""  # what participants get, in words
    left: str = "Left"
    right: str = "Right"
    left_alt: str = "left picture"
    right_alt: str = "right picture"
    choose_left: str = "Choose the\nLEFT\npicture"  # written in the pictures of an instruction check
    choose_right: str = "Choose the\nRIGHT\npicture"
    agree: str = "I have read this and agree to take part"
    vision: str = "I see well enough to compare pictures (with glasses or lenses if needed)"
    withdraw: str = "Withdraw"
    withdraw_sure: str = "Stop here and withdraw your answers?"
    withdrawn: str = "You have withdrawn. Your answers will not be analysed. Thank you."
    start: str = "Start"
    show: str = "Show the pictures"
    practice: str = "Practice"
    progress: str = "Pair {n} of {trials}"
    loading: str = "Loading …"
    enlarge: str = "Please make the window larger or zoom out: at least {width} × {height} points are needed."
    small_screen: str = ("This screen is too small for two pictures side by side. Please take part on a computer, or "
                         "on a tablet with at least {width} × {height} points.")
    pause: str = "Pause"
    paused: str = "Pause. The pictures are covered; the time does not count."
    resume: str = "Go on"
    no_pictures: str = "The pictures cannot be fetched at the moment; trying again …"
    no_touch: str = "Please use a computer with a mouse or a keyboard."
    saving: str = "The connection is lost. Your answer is kept; trying again …"
    elsewhere: str = "This study is open in another tab or window. Please go on there, or reload this page."
    full: str = "All places of this study are taken. Thank you for your interest."
    preview: str = "This is a preview. Accept the task to begin."
    broken: str = "The study cannot go on: the server refused an answer. Please write to the contact address."
    done: str = "Thank you! You have finished."
    debrief: str = ("Some pictures were photographs, the others were made by programs from an outline of the scene. "
                    "Your choices tell how realistic each program's pictures look.")
    code: str = "Your completion code:"
    submit: str = "Submit"
    no_storage: str = ("This study needs the browser's local storage. Please allow it for this page, or use another "
                       "browser, and reload the page.")
    no_script: str = "This study needs JavaScript. Please switch it on and reload the page."


class Protocol(Frozen):
    """One protocol. Trials per HIT = practice + test + sentinels + instruction checks + repeats."""

    extends: str | None = None
    name: str
    design: Literal["unlimited-tables", "timed-tables", "per-worker"]
    pairs: Literal["reference", "triangle", "all"] = "reference"
    test_trials: int = Field(ge=1)  # per HIT
    sentinels: int = Field(ge=0)  # per HIT: a photograph against the anchor
    instruction_checks: int = Field(0, ge=0)  # per HIT: "choose the LEFT picture", written in the pictures
    repeats: int = Field(0, ge=0)  # per HIT: test trials shown again with sides swapped
    practice: int = Field(0, ge=0)  # per HIT: a photograph against the anchor, before the test
    anchor: str = BLURRED  # BLURRED, UNDER_TEST or the name of a method that is not tested
    hits: int | None = Field(None, ge=1)  # HITs per table; None: as many as the images fill
    assignments: int = Field(1, ge=1)  # workers per HIT
    exposures_ms: tuple[int, ...] = ()  # none: no time limit
    sentinel_exposure_ms: int | None = Field(None, ge=1)
    delay_ms: int = Field(500, ge=0)  # from "Show" to the pictures
    mask: Literal["grey", "noise"] = "noise"
    min_onset_gap_ms: int = Field(334, ge=334)  # fewer than 3 flashes per second (WCAG 2.3.1)
    width: int = Field(400, ge=16)  # of one picture on the screen, CSS pixels
    height: int | None = Field(None, ge=16)  # None: as the pictures' shape asks
    gap: int = Field(40, ge=0)
    min_viewport: tuple[int, int] = (900, 500)
    allow_touch: bool = True
    limit_minutes: int = Field(60, ge=1)  # for one HIT, on platforms that set a limit
    answer_seconds: float = Field(4.0, gt=0)  # per trial, to look and answer (timed: after the exposure); an estimate
    texts: Texts = Texts()
    rules: QualityRules = QualityRules()  # whom to pay and whose answers to analyse, fixed before the study

    @model_validator(mode="after")
    def _consistent(self) -> "Protocol":
        if (self.design == "timed-tables") != (self.pairs == "triangle"):
            raise ValueError("pairs 'triangle' belongs to design timed-tables, and only to it")
        if self.design == "timed-tables" and not self.exposures_ms:
            raise ValueError("design timed-tables needs exposures_ms")
        if self.design == "unlimited-tables" and self.exposures_ms:
            raise ValueError("design unlimited-tables has no time limit: leave exposures_ms empty")
        if self.design == "unlimited-tables" and (self.hits is not None or self.pairs != "reference"):
            raise ValueError("design unlimited-tables compares each method with the reference, in as many HITs as the "
                             "images fill: leave hits and pairs out")
        if self.design != "per-worker" and (self.instruction_checks or self.repeats or self.practice):
            raise ValueError("instruction_checks, repeats and practice belong to design per-worker")
        if self.sentinel_exposure_ms and not self.exposures_ms:
            raise ValueError("sentinel_exposure_ms belongs to a study with exposures_ms")
        if any(ms < 1 for ms in self.exposures_ms) or len(set(self.exposures_ms)) < len(self.exposures_ms):
            raise ValueError("exposures_ms are different positive numbers of milliseconds")
        if self.anchor == UNDER_TEST and self.design != "unlimited-tables":
            raise ValueError(f"anchor '{UNDER_TEST}' belongs to design unlimited-tables")
        if self.min_viewport[0] < 2 * self.width + self.gap or self.min_viewport[1] < (self.height or 0):
            raise ValueError("min_viewport is smaller than two pictures and the gap between them")
        return self

    @property
    def timed(self) -> bool:
        return bool(self.exposures_ms)

    def fitted(self, shape: tuple[int, int]) -> "Protocol":
        """This protocol for pictures of `shape` (height, width in pixels), with their height on the screen.

        Raises InputError where a height that was set would distort them by more than 2 %.
        """
        natural = self.width * shape[0] / shape[1]
        height = self.height or round(natural)
        if abs(height / natural - 1) > DISTORTION:
            raise InputError(f"protocol {self.name}: pictures of {shape[1]} x {shape[0]} pixels would be distorted at "
                             f"{self.width} x {height}; leave height out, or set height={round(natural)}")
        viewport = (self.min_viewport[0], max(self.min_viewport[1], height + AROUND))
        return validate({**self.model_dump(), "height": height, "min_viewport": viewport}, f"protocol {self.name}")

    def sha256(self) -> str:
        return fingerprint(self.model_dump(mode="json", exclude={"extends"}))


_LAB_TEXTS = Texts(instructions=(
    *Texts().instructions[:2],
    "In {checks} of the pairs the better picture is obvious, or the pictures say which side to choose: please follow "
    "them. They show whether the answers were given with care.",
    *Texts().instructions[3:],
))
_TIMED_TEXTS = Texts(instructions=(
    "You will see {trials} pairs of pictures of the same scene, one pair at a time, each for a short moment "
    "between an eighth of a second and eight seconds. Look at the two frames, then show the pictures: "
    "each pair can be seen only once. Then choose the picture that looked more like a real photograph.",
    "It takes about {minutes} minutes. You can pause before each pair.",
    "In {checks} of the pairs the better picture is obvious; they show whether the answers were given with care.",
    "Use the buttons, or the keys: space shows the pictures, ← and → (or F and J) choose.",
))

PROTOCOLS = {protocol.name: protocol for protocol in (
    Protocol(name="crn2017-unlimited", design="unlimited-tables", test_trials=100, sentinels=10, anchor=UNDER_TEST,
             limit_minutes=15),
    # 980 judgments per point of Fig. 4 and 50 trials per cell in the 10 HITs: about 20 workers per HIT
    Protocol(name="crn2017-timed", design="timed-tables", pairs="triangle", test_trials=105, sentinels=5,
             anchor="image_space", hits=10, assignments=20, exposures_ms=EXPOSURES_MS,
             sentinel_exposure_ms=SENTINEL_MS, mask="grey", answer_seconds=2.0, limit_minutes=60, texts=_TIMED_TEXTS),
    # More workers with fewer trials: the spread between workers, not the number of trials, limits what is known
    # 9 of 10 sentinels must be right: a guesser passes in 1 % of cases, somebody careful with 2 % slips in 98 %; of 4
    # sentinels all, which 6 % of guessers pass and 8 % of the careful fail
    Protocol(name="lab", design="per-worker", test_trials=48, sentinels=10, instruction_checks=2, practice=3, hits=30,
             limit_minutes=30, texts=_LAB_TEXTS),
)}


def load_protocol(name_or_file: str, settings: Sequence[str] = ()) -> Protocol:
    """A preset by name, or a YAML file (`extends: NAME` and what differs), with `key=value` settings applied.

    Raises InputError for an unknown name (with the nearest known one), broken YAML, an unknown key, a wrong value.
    """
    values: dict[str, Any] = {"extends": name_or_file}
    where = f"protocol {name_or_file}"
    if is_file(name_or_file):
        values = _read(Path(name_or_file))
        where = name_or_file
    base = values.get("extends")
    if base is not None and (not isinstance(base, str) or base not in PROTOCOLS):
        raise InputError(f"unknown protocol '{base}': {nearest(str(base), PROTOCOLS)} (or give a .yaml file)")
    merged = merge(PROTOCOLS[base].model_dump() if base else {}, values)
    for setting in settings:
        apply_setting(merged, setting)
    return validate(merged, where)


def is_file(name_or_file: str) -> bool:
    return Path(name_or_file).suffix in (".yaml", ".yml")


def _read(file: Path) -> dict:
    values = read_yaml(file, f"a protocol; presets: {', '.join(PROTOCOLS)}")
    if values.get("extends") is not None and "name" not in values:
        values["name"] = file.stem  # a changed protocol never goes under the name of the preset
    return values


def validate(values: dict, where: str) -> Protocol:
    """A protocol from plain values (lists for tuples). Raises InputError; `where` stands first in its message."""
    try:
        return Protocol.model_validate(_tuples(values))
    except ValidationError as error:
        raise InputError(f"{where}: {first_problem(error, Protocol)}") from None


def _tuples(value: Any) -> Any:
    """YAML has lists only; a frozen value holds tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
