"""The columns of the table of responses: one row per presented trial, the format between collecting and analysing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = "2"
RENAMED = {"worker_id": "participant"}  # columns of version 1
SIMULATED = "sim"
PLAIN = "table"  # of a plain table of answers: whoever collected them
PLATFORMS = ("local", "prolific", "mturk", "turkle", PLAIN, SIMULATED)
NO_SPECIFICATION = "none"  # of answers to a study that was not fixed by this suite
TASKS = PAIRS, REAL_OR_FAKE, RANKING = ("pairs", "real_or_fake", "ranking")
LAYOUT_OF = {PAIRS: "side_by_side", REAL_OR_FAKE: "single", RANKING: "grid"}  # where nobody says otherwise
ANSWERS_OF = {PAIRS: ("left", "right", "tie"), REAL_OR_FAKE: ("real", "fake"), RANKING: ("ranked",)}
SEPARATOR = ";"  # between the methods of one cell
SENTINELS = ("none", "perceptual", "instruction", "repeat")
CHOICES = ("left", "right", "tie", "real", "fake", "ranked", "none")
SUBMIT_STATUS = ("submitted", "approved", "rejected", "incomplete", "returned", "withdrawn")


@dataclass(frozen=True)
class ResponseColumn:
    """One column: `kind` is the type of its values, `values` the allowed ones, `required`: never empty, `minimum` and
    `maximum` what cannot be exceeded, `measured`: the page says it of a trial."""

    name: str
    kind: Literal["text", "integer", "number", "boolean"]
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    measured: bool = False
    optional: bool = False  # not in tables of older versions, which are read all the same


def _measured(name: str, kind: str, minimum: float | None = None, maximum: float | None = None,
              values: tuple[str, ...] = ()) -> ResponseColumn:
    return ResponseColumn(name, kind, False, values, minimum, maximum, measured=True, optional=True)


COLUMNS = (
    ResponseColumn("schema_version", "text", True, (SCHEMA_VERSION,)),
    ResponseColumn("study_id", "text", True),
    ResponseColumn("spec_sha256", "text", True),  # of the frozen specification, which contains the hash of every image
    ResponseColumn("platform", "text", True, PLATFORMS),
    ResponseColumn("batch_id", "text"),
    ResponseColumn("hit_id", "text"),
    ResponseColumn("hit_index", "integer", minimum=0),
    ResponseColumn("assignment_id", "text"),
    ResponseColumn("session_id", "text", True),  # the unit of double submission
    ResponseColumn("session_started", "text"),  # ISO 8601 wall clock, UTC
    ResponseColumn("participant", "text", True),  # pseudonym, never a platform's id
    ResponseColumn("trial_index", "integer", True, minimum=0),  # order as shown
    ResponseColumn("trial_id", "text", True),  # stable across participants
    ResponseColumn("block", "text", True, ("practice", "test")),
    ResponseColumn("image_id", "text", True),  # the scene (layout)
    ResponseColumn("condition", "text", True),  # <a>_vs_<b>; `outcome` is 1 when a was chosen
    ResponseColumn("task", "text", values=TASKS, optional=True),  # empty: pairs
    ResponseColumn("layout", "text", True, ("side_by_side", "sequential", "stacked", "single", "grid"), measured=True),
    ResponseColumn("left_method", "text"),  # this one and the next three: of pairs, and never empty there
    ResponseColumn("right_method", "text"),
    ResponseColumn("left_asset", "text"),
    ResponseColumn("right_asset", "text"),
    ResponseColumn("shown", "text", optional=True),  # methods in the order of their places, of all that is no pair
    ResponseColumn("shown_assets", "text", optional=True),
    ResponseColumn("chosen", "text", True, CHOICES),
    ResponseColumn("ranked", "text", optional=True),  # methods of a ranking, the best one first
    ResponseColumn("choice_method", "text"),
    ResponseColumn("outcome", "number", minimum=0, maximum=1),
    ResponseColumn("sentinel", "text", True, SENTINELS),
    ResponseColumn("sentinel_answer", "text"),  # left or right, real or fake; of a ranking the method that comes last
    ResponseColumn("sentinel_ok", "boolean"),
    ResponseColumn("exposure_req_ms", "number", minimum=0),  # empty: unlimited
    ResponseColumn("adaptive", "boolean", optional=True),  # the exposure followed a staircase
    _measured("exposure_frames", "integer", 0, 200_000),
    _measured("exposure_ms", "number", 0, 600_000),
    _measured("refresh_hz", "number", 1, 2000),
    _measured("dropped_frames", "integer", 0, 200_000),
    _measured("mask_shown", "boolean"),
    _measured("onset_ts", "number", 0, 1e10),  # ms since the page's time origin; empty after a reload: a new one
    _measured("response_ts", "number", 0, 1e10),
    _measured("rt_ms", "number", -1e3, 1e9),
    _measured("rt_from_offset_ms", "number", -1e6, 1e9),
    _measured("paused_ms", "number", 0, 1e9),  # not in rt_ms: the pictures were covered
    _measured("n_changes", "integer", 0, 1000),
    _measured("input_device", "text", values=("keyboard", "mouse", "touch", "pen")),
    _measured("viewport_w", "number", 0, 100_000),
    _measured("viewport_h", "number", 0, 100_000),
    _measured("dpr", "number", 0.01, 100),
    _measured("img_css_w", "number", 0, 100_000),
    _measured("img_css_h", "number", 0, 100_000),
    _measured("zoom_guess", "number", 0, 1000),
    _measured("visible_fraction", "number", 0, 1.001),
    _measured("focus_lost", "boolean"),
    _measured("full_screen", "boolean"),
    ResponseColumn("user_agent_family", "text"),
    ResponseColumn("language", "text", optional=True),
    ResponseColumn("px_per_mm", "number", minimum=0, optional=True),  # CSS pixels, by a bank card held to the screen
    ResponseColumn("viewing_distance_mm", "number", minimum=0, optional=True),  # as the participant says
    ResponseColumn("colour_right", "integer", minimum=0, optional=True),  # plates read rightly
    ResponseColumn("submit_status", "text", True, SUBMIT_STATUS),
    ResponseColumn("accepted", "boolean"),  # to be paid; empty: not decided
    ResponseColumn("used", "boolean"),  # to be analysed; empty: rules not applied yet
    ResponseColumn("exclude_reasons", "text"),  # names of rules joined by ";"
    _measured("asset_error", "boolean"),
    ResponseColumn("client_version", "text"),
)
ANSWERS = ("q_", "note_")  # columns of a protocol's own questions begin so; they are text
NAMES = tuple(column.name for column in COLUMNS)


def shown_cells(task: str, methods: Sequence[str], assets: Sequence[str]) -> dict[str, str]:
    """Cells of a row that say what was shown."""
    if task == PAIRS:
        names = ("left_method", "right_method", "left_asset", "right_asset")
        return dict(zip(names, (*methods, *assets), strict=True))
    return {"shown": SEPARATOR.join(methods), "shown_assets": SEPARATOR.join(assets)}


def condition_name(*methods: str) -> str:
    """Name of the comparison of methods; `outcome` counts choices of the first."""
    return "_vs_".join(methods)


def methods_of(condition: str) -> list[str]:
    """The methods of a comparison, from its `condition_name`."""
    return condition.split("_vs_")
