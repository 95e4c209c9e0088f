"""Folders that came by way of another system hold its hidden files; nothing of ours reads them."""

from pathlib import Path

import numpy as np

from data.files import list_folder, read_json, write_png
from data.photographs import images_by_name
from evaluation.cache.images import check_complete, size_of, sizes_in
from evaluation.merge import export_table
from evaluation.run_directory import RunDirectory
from human_study.__main__ import main as human_study
from reports.app.parts.sources import Source
from reports.report import write_report


def bring_from_a_mac(folder: Path) -> None:
    """`._NAME` beside every file and folder and a .DS_Store in each, as a Mac leaves them on a foreign disk."""
    for path in [folder, *folder.rglob("*")]:
        if path != folder:
            (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
        if path.is_dir():
            (path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
            (path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")


def what_is_read(run: RunDirectory) -> dict:
    """Everything that the stages after training read of a run by listing its folders."""
    methods = run.methods()
    for method in methods:
        check_complete(run, method)
    source = Source(1, "run", run)
    return {"layouts": run.layouts(), "methods": methods, "scores": run.scores(), "size": size_of(run),
            "table": export_table(run), "sizes": sizes_in(run.method_folder("crn") / "images"),
            "app": source.scores, "state": source.state()[:3]}


def test_a_run_that_came_by_way_of_a_mac_is_read_the_same(scored_run, no_figures):
    study = ["hits", "--run", str(scored_run.path), "--protocol", "crn2017-unlimited"]
    human_study(study)
    folder = scored_run.study / "crn2017-unlimited"
    before, specification = what_is_read(scored_run), read_json(folder / "secret" / "spec.json")
    pictures = list_folder(folder / "public" / "images")
    page = write_report(scored_run).read_text(encoding="utf-8")
    bring_from_a_mac(scored_run.path)
    assert what_is_read(scored_run) == before
    human_study(study)
    assert read_json(folder / "secret" / "spec.json") == specification
    assert list_folder(folder / "public" / "images") == pictures  # kept, not written anew under other names
    assert write_report(scored_run).read_text(encoding="utf-8") == page


def test_hidden_files_are_no_photographs(tmp_path):
    for folder in ("", "._a", "__MACOSX", "sub"):
        write_png(tmp_path / folder / "a.png", np.zeros((8, 8, 3), np.uint8))
    bring_from_a_mac(tmp_path)
    assert images_by_name(tmp_path) == {"a": tmp_path / "a.png"}
    assert images_by_name(tmp_path, "*/*") == {"a": tmp_path / "sub" / "a.png"}
