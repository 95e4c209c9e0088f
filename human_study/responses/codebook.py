"""What every column of the table of responses means, as a table: for R, JASP or pandas, without this suite."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from data.files import write_text
from human_study.responses.columns import COLUMNS, ResponseColumn

FILE = "codebook.csv"
MEANINGS = {
    "schema_version": "version of this format",
    "study_id": "name of the study",
    "spec_sha256": "SHA-256 of the study's specification, which holds every picture's hash; none: there is none",
    "platform": "where the answer was given; sim: simulated, nobody judged; table: a plain table of answers",
    "batch_id": "HIT table",
    "hit_id": "HIT, a list of trials fixed in advance",
    "hit_index": "number of the HIT in its table, from 0",
    "assignment_id": "the platform's name of one participant's work on one HIT",
    "session_id": "one participant's run through the study",
    "session_started": "ISO 8601, UTC",
    "participant": "participant, as a pseudonym",
    "trial_index": "place of the trial in the session, from 0, in the order shown",
    "trial_id": "name of the trial, the same for all participants",
    "block": "practice or test",
    "image_id": "scene that both pictures show",
    "condition": "methods compared, A_vs_B; of real or fake photos_vs_A",
    "task": "pairs: which of two pictures; real_or_fake: one picture; ranking: the order of several; empty: pairs",
    "layout": "how the pictures stood",
    "left_method": "method of the picture on the left",
    "right_method": "method of the picture on the right",
    "left_asset": "file of the picture on the left",
    "right_asset": "file of the picture on the right",
    "shown": "methods of the pictures where they are no pair, in the order of their places, joined by ;",
    "shown_assets": "files of these pictures",
    "chosen": "answer; none: not answered",
    "ranked": "methods of a ranking from the best to the last, joined by ;",
    "choice_method": "method of the picture chosen; empty: tie or none",
    "outcome": "pairs: 1: the first method of condition was chosen, 0: the second, 0.5: tie; real or fake: 1: error",
    "sentinel": "check of attention: none (an ordinary trial), perceptual (known answer), instruction, repeat",
    "sentinel_answer": "right answer of a check; of a ranking the method that belongs in the last place",
    "sentinel_ok": "whether the check was passed",
    "exposure_req_ms": "exposure asked for, ms; empty: unlimited",
    "adaptive": "whether a staircase set the exposure, from the answers before",
    "exposure_frames": "exposure in frames of the screen",
    "exposure_ms": "exposure measured, ms",
    "refresh_hz": "frames of the screen per second",
    "dropped_frames": "frames that came late during the exposure",
    "mask_shown": "whether the mask followed the pictures",
    "onset_ts": "onset of the pictures, ms since the page was opened",
    "response_ts": "answer, ms since the page was opened",
    "rt_ms": "response time from onset, ms, without pauses",
    "rt_from_offset_ms": "response time from the end of the exposure, ms",
    "paused_ms": "pauses during the trial, ms; the pictures were covered",
    "n_changes": "times the answer was changed",
    "input_device": "what the answer was given with",
    "viewport_w": "width of the window, CSS pixels",
    "viewport_h": "height of the window, CSS pixels",
    "dpr": "screen pixels per CSS pixel",
    "img_css_w": "width of one picture, CSS pixels",
    "img_css_h": "height of one picture, CSS pixels",
    "zoom_guess": "the browser's zoom, estimated; 1: none",
    "visible_fraction": "share of the pictures inside the window",
    "focus_lost": "whether the window lost the focus during the trial",
    "full_screen": "whether the pair was seen in full screen; empty: not asked for",
    "user_agent_family": "browser",
    "language": "language of the texts; others than the first are the participant's choice",
    "px_per_mm": "CSS pixels per mm of the screen, by a bank card held against it",
    "viewing_distance_mm": "distance of the eyes from the screen, mm, as the participant said",
    "colour_right": "plates with coloured digits that were read rightly",
    "submit_status": "state of the session",
    "accepted": "whether the session is to be paid; empty: not decided",
    "used": "whether the judgment is analysed; empty: rules not applied yet",
    "exclude_reasons": "rules by which it is not, joined by ;",
    "asset_error": "whether a picture could not be shown",
    "client_version": "version of the page that was answered",
}


def codebook(columns: Iterable[str]) -> pd.DataFrame:
    """One row per column of a table: name, type, values allowed (joined by "; "), range, whether it is never empty,
    meaning. Columns beyond COLUMNS are answers to the protocol's own questions."""
    known = {column.name: column for column in COLUMNS}
    rows = []
    for name in columns:
        column = known.get(name, ResponseColumn(name, "text"))
        rows.append({"column": name, "type": column.kind, "values": "; ".join(column.values),
                     "minimum": column.minimum, "maximum": column.maximum, "never_empty": column.required,
                     "meaning": MEANINGS.get(name) or f"answer to the protocol's question '{name.partition('_')[2]}'"})
    return pd.DataFrame(rows)


def write_codebook(frame: pd.DataFrame, folder: Path) -> None:
    write_text(folder / FILE, codebook(frame.columns).to_csv(index=False))
