"""Protocols as typed presets: everything a study does to its participants, in one frozen, hashed value.

Texts are those of human_study/protocol/languages, in the protocol's languages, with the protocol's own changes.
Presets: `crn2017-unlimited` and `crn2017-timed` (the two experiments of Chen & Koltun 2017, section 5), `lab` (our own
default), `pilot` (a small study before it), `hype-infinity` and `hype-time` (Zhou et al. 2019) and `ranking`. A YAML
file with `extends: NAME` changes only what differs.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from data.configuration import apply_settings, first_problem, merge
from data.errors import InputError, nearest
from data.files import fingerprint, read_yaml
from human_study.protocol.matlab import EXPOSURES_MS, SENTINEL_MS
from human_study.protocol.questions import READY, Question
from human_study.protocol.rules import QualityRules
from human_study.protocol.staircase import Staircase
from human_study.protocol.texts import Frozen, Texts, completed
from human_study.responses.columns import TASKS

BLURRED = "blurred-photos"  # anchor made from the photographs: always worse than they are, independent of any method
UNDER_TEST = "under-test"  # sentinels show the photograph against the method under test, as in 2017
DISTORTION = 0.02  # of the pictures' shape on the screen; less is not seen
LAYOUT_SCALE = 0.6  # of a layout above the pictures, as in study.css
AROUND = 180  # points that the page needs above and below the pictures
MOST_RANKED = 9  # pictures in one ranking: three rows of three
NOT_FOR = {  # settings without meaning for a task
    "pairs": ("staircase",),
    "real_or_fake": ("pairs", "instruction_checks", "repeats", "ties", "show_layout", "stacked"),
    "ranking": ("pairs", "instruction_checks", "repeats", "ties", "feedback", "exposures_ms", "staircase"),
}


def columns(pictures: int) -> int:
    """How many of the pictures of one trial are side by side."""
    return pictures if pictures < 3 else 2 if pictures == 4 else 3


class Protocol(Frozen):
    """One protocol. Trials per HIT = practice + test + sentinels + instruction checks + repeats."""

    extends: str | None = None
    name: str
    task: Literal[TASKS] = "pairs"  # which of two pictures; is one picture a photograph; the order of several
    design: Literal["unlimited-tables", "timed-tables", "per-participant"]
    pairs: Literal["baseline", "triangle", "all"] = "baseline"
    test_trials: int = Field(ge=1)  # per HIT
    sentinels: int = Field(ge=0)  # per HIT: a photograph against the anchor
    instruction_checks: int = Field(0, ge=0)  # per HIT: "choose the LEFT picture", written in the pictures
    repeats: int = Field(0, ge=0)  # per HIT: test trials shown again with sides swapped
    practice: int = Field(0, ge=0)  # per HIT: a photograph against the anchor, before the test
    common_scenes: bool = False  # all participants see the same scenes, so that spreads between images can be measured
    anchor: str = BLURRED  # BLURRED, UNDER_TEST or the name of a method that is not tested
    hits: int | None = Field(None, ge=1)  # HITs per table; None: as many as the images fill
    assignments: int = Field(1, ge=1)  # participants per HIT
    exposures_ms: tuple[int, ...] = ()  # none: no time limit
    staircase: Staircase | None = None  # exposures that follow from the answers, in the place of exposures_ms
    sentinel_exposure_ms: int | None = Field(None, ge=1)
    delay_ms: int = Field(500, ge=0)  # from "Show" to the pictures
    mask: Literal["grey", "noise"] = "noise"
    min_onset_gap_ms: int = Field(334, ge=334)  # fewer than 3 flashes per second (WCAG 2.3.1)
    width: int = Field(400, ge=16)  # of one picture on the screen, CSS pixels
    height: int | None = Field(None, ge=16)  # None: follows from the pictures' shape
    gap: int = Field(40, ge=0)
    min_viewport: tuple[int, int] = (900, 500)
    allow_touch: bool = True
    stacked: bool = False  # on screens too narrow for two: one above the other, made smaller; marked in the table
    ties: bool = False  # a third button: no difference
    show_layout: bool = False  # the layout above the pictures; the question is then which fits it better
    languages: tuple[str, ...] = ("en",)  # the first is that of tables, and the default
    contact: str = ""  # name and address for questions
    ethics: str = ""  # number of the approval by an ethics board
    pay: str = ""  # what participants get, in words
    questions: tuple[Question, ...] = ()  # names of ready ones, or whole questions
    feedback: bool = False  # after every practice pair: which one was the photograph
    break_every: int | None = Field(None, ge=1)  # pairs between two breaks
    screen_check: bool = False  # a bank card on the screen gives points per mm; distance of the eyes
    colour_plates: int = Field(0, ge=0, le=20)  # digits to be read among coloured dots
    full_screen: bool = False
    forgotten_may_return: bool = True  # as a new participant; else a panel's forgotten ids are turned away
    limit_minutes: int = Field(60, ge=1)  # for one HIT, on platforms that set a limit
    answer_seconds: float = Field(4.0, gt=0)  # per trial, to look and answer (timed: after the exposure); an estimate
    texts: dict[str, Texts] = {}  # by language; the ready texts fill the gaps
    rules: QualityRules = QualityRules()  # whom to pay and whose answers to analyse, fixed before the study

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: dict) -> dict:
        """Ready texts and questions in the place of their names, so that the whole protocol is in its hash."""
        languages = values.get("languages", ("en",))
        if not isinstance(languages, tuple) or not languages or not all(isinstance(one, str) for one in languages):
            raise ValueError("languages is a list of codes such as [en, de], the most usual one first")
        texts = {language: one.model_dump() if isinstance(one, Texts) else one
                 for language, one in (values.get("texts") or {}).items()}
        questions = tuple({"name": one, **READY[one]} if isinstance(one, str) and one in READY else one
                          for one in values.get("questions") or ())
        rules = values.get("rules", {})
        if isinstance(rules, dict):  # pictures one above the other count where the protocol shows them so
            rules = {**rules, "use_stacked": rules.get("use_stacked", values.get("stacked", False))}
        texts = completed(texts, languages, values.get("task", "pairs"))
        return {**values, "texts": texts, "questions": questions, "rules": rules}

    @model_validator(mode="after")
    def _consistent(self) -> "Protocol":
        tables, exposures = self.design != "per-participant", self.exposures_ms
        names = [question.name for question in self.questions]
        missing = [f"texts.{language}.{gap} is missing: the words of question '{question.name}'"
                   for language, texts in self.texts.items() for question in self.questions
                   if (gap := question.missing_words(texts))]
        unused = [name for name in NOT_FOR[self.task]
                  if getattr(self, name) != type(self).model_fields[name].default]
        too_small = self.min_viewport[0] < self.viewport(2)[0] or self.min_viewport[1] < (self.height or 0)
        for wrong, message in (
            (len(set(names)) < len(names), "questions: every question has a name of its own"),
            (missing, "".join(missing[:1])),
            (self.feedback and not self.practice, "feedback needs practice pairs: set practice"),
            ((self.design == "timed-tables") != (self.pairs == "triangle"),
             "pairs 'triangle' belongs to design timed-tables, and only to it"),
            (self.design == "timed-tables" and not exposures, "design timed-tables needs exposures_ms"),
            (self.design == "unlimited-tables" and exposures,
             "design unlimited-tables has no time limit: leave exposures_ms empty"),
            (self.design == "unlimited-tables" and (self.hits is not None or self.pairs != "baseline"),
             "design unlimited-tables compares each method with the baseline, in as many HITs as the images fill: "
             "leave hits and pairs out"),
            (tables and (self.instruction_checks or self.repeats or self.practice),
             "instruction_checks, repeats and practice belong to design per-participant"),
            (self.sentinel_exposure_ms and not self.timed,
             "sentinel_exposure_ms belongs to a study with exposures_ms or a staircase"),
            (any(ms < 1 for ms in exposures) or len(set(exposures)) < len(exposures),
             "exposures_ms are different positive numbers of milliseconds"),
            (self.anchor == UNDER_TEST and self.design != "unlimited-tables",
             f"anchor '{UNDER_TEST}' belongs to design unlimited-tables"),
            (self.task == "pairs" and too_small, "min_viewport is smaller than two pictures and the gap between them"),
            (tables and self.common_scenes, "common_scenes belongs to design per-participant"),
            (self.task != "pairs" and tables, f"task {self.task} needs design per-participant"),
            (unused, f"{''.join(unused[:1])} does not go with task {self.task}: leave it out"),
            (self.staircase and exposures, "give exposures_ms or a staircase, not both"),
        ):
            if wrong:
                raise ValueError(message)
        return self

    def text(self, language: str | None = None) -> Texts:
        """Of a language; the first one's for those that the protocol does not have."""
        return self.texts.get(language or "", self.texts[self.languages[0]])

    @property
    def stages(self) -> tuple[str, ...]:
        """Questions and checks beside the pairs, in this order; "after" comes after them."""
        asked = {question.when for question in self.questions}
        return tuple(name for name, wanted in (("before", "before" in asked), ("screen", self.screen_check),
                                               ("colour", self.colour_plates), ("after", "after" in asked)) if wanted)

    @property
    def timed(self) -> bool:
        return bool(self.exposures_ms or self.staircase)

    @property
    def choices(self) -> tuple[str, ...]:
        """Buttons under the pictures, from left to right."""
        sides = ("left", "tie", "right") if self.ties else ("left", "right")
        return {"pairs": sides, "real_or_fake": ("real", "fake"), "ranking": ()}[self.task]

    def viewport(self, pictures: int) -> tuple[int, int]:
        """Smallest window for so many pictures of one trial; more rows of them may be scrolled."""
        across = columns(pictures)
        return max(self.min_viewport[0], across * self.width + (across - 1) * self.gap), self.min_viewport[1]

    def fitted(self, shape: tuple[int, int]) -> "Protocol":
        """This protocol for pictures of `shape` (height, width in pixels), with their height on the screen.

        Raises InputError where a height that was set would distort them by more than 2 %.
        """
        natural = self.width * shape[0] / shape[1]
        height = self.height or round(natural)
        if abs(height / natural - 1) > DISTORTION:
            raise InputError(f"protocol {self.name}: pictures of {shape[1]} x {shape[0]} pixels would be distorted at "
                             f"{self.width} x {height}; leave height out, or set height={round(natural)}")
        rows = 1 + LAYOUT_SCALE * self.show_layout
        viewport = (self.min_viewport[0], max(self.min_viewport[1], round(rows * height) + AROUND))
        shape = {"height": height, "min_viewport": viewport}
        return validate({**self.model_dump(), "texts": self.texts, **shape}, f"protocol {self.name}")

    def sha256(self) -> str:
        return fingerprint(self.model_dump(mode="json", exclude={"extends"}))


PRESETS: dict[str, dict[str, Any]] = {  # what each sets; defaults, and what other settings imply, stay open
    "crn2017-unlimited": {"design": "unlimited-tables", "test_trials": 100, "sentinels": 10, "anchor": UNDER_TEST,
                          "limit_minutes": 15},
    # 980 judgments per point of Fig. 4 and 50 trials per cell in the 10 HITs: about 20 participants per HIT
    "crn2017-timed": {"design": "timed-tables", "pairs": "triangle", "test_trials": 105, "sentinels": 5,
                      "anchor": "image_space", "hits": 10, "assignments": 20, "exposures_ms": EXPOSURES_MS,
                      "sentinel_exposure_ms": SENTINEL_MS, "mask": "grey", "answer_seconds": 2.0, "limit_minutes": 60},
    # More participants with fewer trials: the spread between people, not the number of trials, limits what is known
    # 9 of 10 sentinels must be right: a guesser passes in 1 % of cases, somebody careful with 2 % slips in 98 %; of 4
    # sentinels all, which 6 % of guessers pass and 8 % of the careful fail
    "lab": {"design": "per-participant", "test_trials": 48, "sentinels": 10, "instruction_checks": 2, "practice": 3,
            "hits": 30, "limit_minutes": 30},
    # Many answers to few images: from them follow the spreads between people and between images that a plan needs
    "pilot": {"design": "per-participant", "test_trials": 24, "sentinels": 5, "instruction_checks": 1, "practice": 3,
              "hits": 8, "common_scenes": True, "limit_minutes": 30},
    # 50 photographs and 50 pictures of each method would be HYPE's own number; here all methods share 100
    "hype-infinity": {"task": "real_or_fake", "design": "per-participant", "test_trials": 100, "sentinels": 10,
                      "practice": 4, "hits": 30, "answer_seconds": 3.0, "min_viewport": (480, 420),
                      "limit_minutes": 30},
    # the paper's staircases have 150 trials; those of all methods run side by side, so 300 are enough for two methods
    "hype-time": {"task": "real_or_fake", "design": "per-participant", "test_trials": 300, "sentinels": 10,
                  "practice": 4, "hits": 30, "staircase": {}, "answer_seconds": 2.0, "min_viewport": (480, 420),
                  "limit_minutes": 60},
    # five sentinels, all to be right: somebody guessing passes in 3 % of cases with two pictures, in 0.4 % with three
    "ranking": {"task": "ranking", "design": "per-participant", "test_trials": 24, "sentinels": 5, "practice": 2,
                "hits": 30, "width": 300, "gap": 16, "min_viewport": (640, 480), "stacked": True,
                "answer_seconds": 15.0, "limit_minutes": 30},
}


def load_protocol(name_or_file: str, settings: Sequence[str] = ()) -> Protocol:
    """A preset by name, or a YAML file (`extends: NAME` and what differs), with `key=value` settings applied.

    Raises InputError for an unknown name (with the nearest known one), broken YAML, an unknown key, a wrong value.
    """
    values: dict[str, Any] = {"extends": name_or_file}
    where = f"protocol {name_or_file}"
    if is_file(name_or_file):
        values, where = read_yaml(Path(name_or_file), f"a protocol; presets: {', '.join(PRESETS)}"), name_or_file
        if values.get("extends") is not None:
            values.setdefault("name", Path(name_or_file).stem)  # a changed protocol never goes under a preset's name
    base = values.get("extends")
    if base is not None and (not isinstance(base, str) or base not in PRESETS):
        raise InputError(f"unknown protocol '{base}': {nearest(str(base), PRESETS)} (or give a .yaml file)")
    merged = merge({"name": base, **deepcopy(PRESETS[base])} if base else {}, values)
    apply_settings(merged, settings)
    return validate(merged, where)


def is_file(name_or_file: str) -> bool:
    return Path(name_or_file).suffix in (".yaml", ".yml")


def validate(values: dict, where: str) -> Protocol:
    """A protocol from plain values (lists for tuples). Raises InputError; `where` begins its message."""
    try:
        return Protocol.model_validate(_tuples(values))
    except ValidationError as error:
        raise InputError(f"{where}: {first_problem(error, Protocol)}") from None


def _tuples(value: Any) -> Any:
    """YAML has lists only; a frozen value holds tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


PROTOCOLS = {name: load_protocol(name) for name in PRESETS}
