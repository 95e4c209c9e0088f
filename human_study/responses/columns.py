"""The columns of the table of responses: one row per presented trial, the format between collecting and analysing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = "2"
RENAMED = {"worker_id": "participant"}  # columns of version 1
SIMULATED = "sim"
PLAIN = "table"  # of a plain table of answers, from any source
PLATFORMS = ("local", "prolific", "mturk", "turkle", PLAIN, SIMULATED)
NO_SPECIFICATION = "none"  # of answers to a study that was not fixed by this suite
TASKS = PAIRS, REAL_OR_FAKE, RANKING = ("pairs", "real_or_fake", "ranking")
LAYOUT_OF = {PAIRS: "side_by_side", REAL_OR_FAKE: "single", RANKING: "grid"}  # by default
ANSWERS_OF = {PAIRS: ("left", "right", "tie"), REAL_OR_FAKE: ("real", "fake"), RANKING: ("ranked",)}
SEPARATOR = ";"  # between the methods of one cell
SENTINELS = ("none", "perceptual", "instruction", "repeat")
CHOICES = ("left", "right", "tie", "real", "fake", "ranked", "none")
SUBMIT_STATUS = ("submitted", "approved", "rejected", "incomplete", "returned", "withdrawn")


@dataclass(frozen=True)
class ResponseColumn:
    """One column. kind: type of its values; values: the allowed ones; required: never empty; minimum, maximum: limits,
    included; measured: the page reports it of a trial."""

    name: str
    kind: Literal["text", "integer", "number", "boolean"]
    meaning: str
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    measured: bool = False
    optional: bool = False  # may be missing: tables of older versions lack it


def measured(name: str, kind: str, meaning: str, minimum: float | None = None, maximum: float | None = None,
             values: tuple[str, ...] = ()) -> ResponseColumn:
    """A column that the page reports of a trial; tables of older versions may lack it."""
    return ResponseColumn(name, kind, meaning, False, values, minimum, maximum, measured=True, optional=True)


COLUMNS = (
    ResponseColumn("schema_version", "text", "version of this format", required=True, values=(SCHEMA_VERSION,)),
    ResponseColumn("study_id", "text", "name of the study", required=True),
    ResponseColumn("spec_sha256", "text",
                   "SHA-256 of the study's specification, which holds every picture's hash; none: there is none",
                   required=True),
    ResponseColumn("platform", "text",
                   "where the answer was given; sim: simulated, nobody judged; table: a plain table of answers",
                   required=True, values=PLATFORMS),
    ResponseColumn("batch_id", "text", "HIT table"),
    ResponseColumn("hit_id", "text", "HIT, a list of trials fixed in advance"),
    ResponseColumn("hit_index", "integer", "number of the HIT in its table, from 0", minimum=0),
    ResponseColumn("assignment_id", "text", "the platform's name of one participant's work on one HIT"),
    ResponseColumn("session_id", "text", "one participant's run through the study", required=True),
    ResponseColumn("session_started", "text", "ISO 8601, UTC"),
    ResponseColumn("participant", "text", "participant, as a pseudonym", required=True),
    ResponseColumn("trial_index", "integer",
                   "place of the trial in the session, from 0, in the order shown", required=True, minimum=0),
    ResponseColumn("trial_id", "text", "name of the trial, the same for all participants", required=True),
    ResponseColumn("block", "text", "practice or test", required=True, values=("practice", "test")),
    ResponseColumn("image_id", "text", "scene that both pictures show", required=True),
    ResponseColumn("condition", "text", "methods compared, A_vs_B; of real or fake photos_vs_A", required=True),
    ResponseColumn("task", "text",
                   "pairs: which of two pictures; real_or_fake: one picture; ranking: several in order; empty: pairs",
                   values=TASKS, optional=True),
    ResponseColumn("layout", "text", "how the pictures were placed",
                   required=True, values=("side_by_side", "sequential", "stacked", "single", "grid"), measured=True),
    ResponseColumn("left_method", "text", "method of the picture on the left"),
    ResponseColumn("right_method", "text", "method of the picture on the right"),
    ResponseColumn("left_asset", "text", "file of the picture on the left"),
    ResponseColumn("right_asset", "text", "file of the picture on the right"),
    ResponseColumn("shown", "text",
                   "methods of the pictures where they are no pair, in the order of their places, joined by ;",
                   optional=True),
    ResponseColumn("shown_assets", "text", "files of these pictures", optional=True),
    ResponseColumn("chosen", "text", "answer; none: not answered", required=True, values=CHOICES),
    ResponseColumn("ranked", "text", "methods of a ranking from the best to the last, joined by ;", optional=True),
    ResponseColumn("choice_method", "text", "method of the picture chosen; empty: tie or none"),
    ResponseColumn("outcome", "number",
                   "pairs: 1: the first method of condition was chosen, 0: the second, 0.5: tie; real_or_fake: 1 error",
                   minimum=0, maximum=1),
    ResponseColumn("sentinel", "text",
                   "check of attention: none (an ordinary trial), perceptual (known answer), instruction, repeat",
                   required=True, values=SENTINELS),
    ResponseColumn("sentinel_answer", "text",
                   "right answer of a check; of a ranking the method that belongs in the last place"),
    ResponseColumn("sentinel_ok", "boolean", "whether the check was passed"),
    ResponseColumn("exposure_req_ms", "number", "requested exposure, ms; empty: unlimited", minimum=0),
    ResponseColumn("adaptive", "boolean",
                   "whether a staircase set the exposure, from the answers before", optional=True),
    measured("exposure_frames", "integer", "exposure in frames of the screen", 0, 200_000),
    measured("exposure_ms", "number", "exposure measured, ms", 0, 600_000),
    measured("refresh_hz", "number", "frames of the screen per second", 1, 2000),
    measured("dropped_frames", "integer", "frames that came late during the exposure", 0, 200_000),
    measured("mask_shown", "boolean", "whether the mask followed the pictures"),
    measured("onset_ts", "number", "onset of the pictures, ms since the page was opened", 0, 1e10),
    measured("response_ts", "number", "answer, ms since the page was opened", 0, 1e10),
    measured("rt_ms", "number", "response time from onset, ms, without pauses", -1000, 1e9),
    measured("rt_from_offset_ms", "number",
             "response time from the end of the exposure, ms", -1_000_000, 1e9),
    measured("paused_ms", "number", "pauses during the trial, ms; the pictures were covered", 0, 1e9),
    measured("n_changes", "integer", "times the answer was changed", 0, 1000),
    measured("input_device", "text", "what the answer was given with", values=("keyboard", "mouse", "touch", "pen")),
    measured("viewport_w", "number", "width of the window, CSS pixels", 0, 100_000),
    measured("viewport_h", "number", "height of the window, CSS pixels", 0, 100_000),
    measured("dpr", "number", "screen pixels per CSS pixel", 0.01, 100),
    measured("img_css_w", "number", "width of one picture, CSS pixels", 0, 100_000),
    measured("img_css_h", "number", "height of one picture, CSS pixels", 0, 100_000),
    measured("zoom_guess", "number", "the browser's zoom, estimated; 1: none", 0, 1000),
    measured("visible_fraction", "number", "share of the pictures inside the window", 0, 1.001),
    measured("focus_lost", "boolean", "whether the window lost the focus during the trial"),
    measured("full_screen", "boolean", "whether the pair was seen in full screen; empty: not requested"),
    ResponseColumn("user_agent_family", "text", "browser"),
    ResponseColumn("language", "text",
                   "language of the texts; others than the first are the participant's choice", optional=True),
    ResponseColumn("px_per_mm", "number",
                   "CSS pixels per mm of the screen, by a bank card held against it", minimum=0, optional=True),
    ResponseColumn("viewing_distance_mm", "number",
                   "distance of the eyes from the screen, mm, as the participant gave it", minimum=0, optional=True),
    ResponseColumn("colour_right", "integer",
                   "plates with coloured digits that were read correctly", minimum=0, optional=True),
    ResponseColumn("submit_status", "text", "state of the session", required=True, values=SUBMIT_STATUS),
    ResponseColumn("accepted", "boolean", "whether the session is to be paid; empty: not decided"),
    ResponseColumn("used", "boolean", "whether the judgment is analysed; empty: rules not applied yet"),
    ResponseColumn("exclude_reasons", "text", "rules by which it is not, joined by ;"),
    measured("asset_error", "boolean", "whether a picture could not be shown"),
    ResponseColumn("client_version", "text", "version of the page that was answered"),
)
ANSWERS = ("q_", "note_")  # columns of a protocol's own questions begin so; they are text
NAMES = tuple(column.name for column in COLUMNS)


def shown_cells(task: str, methods: Sequence[str], assets: Sequence[str]) -> dict[str, str]:
    """Cells of a row for what was shown."""
    if task == PAIRS:
        names = ("left_method", "right_method", "left_asset", "right_asset")
        return dict(zip(names, (*methods, *assets), strict=True))
    return {"shown": SEPARATOR.join(methods), "shown_assets": SEPARATOR.join(assets)}


VERSUS = "_vs_"


def condition_name(*methods: str) -> str:
    """Cell of the column `condition`: the methods compared; `outcome` counts choices of the first."""
    return VERSUS.join(methods)


def methods_of(condition: str) -> tuple[str, ...]:
    """The methods that a cell of the column `condition` names."""
    return tuple(condition.split(VERSUS))
