"""Tables of responses are read back as they were written, whatever people typed and whichever program saved them."""

import csv

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from human_study.responses.cells import clean, harmless, restored, with_zeros
from human_study.responses.table import make_responses, read_responses, write_responses

FORMULAS = ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "'=1", "''-2", "'quoted'", "- well, no", "a=b"]
CONTROLS = [f"a{chr(code)}b" for code in range(0x20)] + ["\x7f", "\x85", "a\r\nb", "\ud83d", "\ufeff", "a\u2028b", "'"]


def table(notes: list[str], **more) -> pd.DataFrame:
    return make_responses([
        {"study_id": "s", "spec_sha256": "none", "platform": "local", "session_id": "s1", "participant": "w_1",
         "trial_index": i, "trial_id": f"t{i}", "block": "test", "image_id": f"{i:05d}", "condition": "a_vs_b",
         "layout": "side_by_side", "left_method": "a", "right_method": "b", "chosen": "left", "sentinel": "none",
         "submit_status": "submitted", "rt_ms": 812.5, "focus_lost": False, "note_comment": note,
         **{name: values[i] for name, values in more.items()}} for i, note in enumerate(notes)])


def any_text(n: int) -> list[str]:
    """Texts of any characters of Unicode, halves of characters and controls among them."""
    rng = np.random.default_rng(0)
    return ["".join(map(chr, rng.integers(0, 0x110000 if i % 2 else 0x100, rng.integers(1, 12)))) for i in range(n)]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_any_text_comes_back(tmp_path, suffix):
    texts = [*FORMULAS, *CONTROLS, *any_text(2000)]
    frame = table(texts, assignment_id=texts, language=texts)
    assert frame["note_comment"].tolist() == [clean(text) for text in texts]  # what cannot be written is replaced
    write_responses(frame, tmp_path / f"t{suffix}")
    pd.testing.assert_frame_equal(read_responses(tmp_path / f"t{suffix}"), frame)


def test_no_cell_is_a_formula(tmp_path):
    write_responses(table(FORMULAS, assignment_id=FORMULAS), tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as stream:
        cells = [cell for row in csv.DictReader(stream) for cell in (row["note_comment"], row["assignment_id"])]
    assert not any(cell.startswith(tuple("=+-@\t")) for cell in cells)
    assert [restored(harmless(text)) for text in [*FORMULAS, *CONTROLS]] == [*FORMULAS, *CONTROLS]


@pytest.mark.parametrize("true, false", [("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("VERDADERO", "FALSO"), ("TRUE", "0")])
def test_a_table_saved_by_a_spreadsheet_program_is_read(tmp_path, true, false):
    frame = table(["one", "two; three"], focus_lost=[True, False])
    write_responses(frame, tmp_path / "t.csv")
    text = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    text = text.map(lambda cell: {"true": true, "false": false, "812.5": "812,5"}.get(cell, cell))
    text["image_id"] = text["image_id"].str.lstrip("0").where(text["image_id"] != "00000", "0")
    text.to_csv(tmp_path / "t.csv", sep=";", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    read = read_responses(tmp_path / "t.csv")
    assert read["image_id"].tolist() == ["0", "1"]
    read["image_id"] = with_zeros(read["image_id"], frame["image_id"], "t.csv")
    pd.testing.assert_frame_equal(read, frame)


def test_what_a_spreadsheet_program_destroyed_is_refused(tmp_path):
    frame = table(["one"])
    write_responses(frame.assign(hit_id="1.2E+15"), tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t.csv: hit_id '1.2E\+15' was changed by a spreadsheet program"):
        read_responses(tmp_path / "t.csv")
    for known in (["00010", "010"], ["00007"]):
        with pytest.raises(InputError, match="t.csv: image_id '10' is not in the study's plan"):
            with_zeros(pd.Series(["10"], name="image_id"), known, "t.csv")


def test_tables_of_the_first_version_are_read(tmp_path):
    frame = table(["one"])
    write_responses(frame, tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_text().replace("participant", "worker_id").replace("\n2,", "\n1,")
    (tmp_path / "t.csv").write_text(text)
    pd.testing.assert_frame_equal(read_responses(tmp_path / "t.csv"), frame)
