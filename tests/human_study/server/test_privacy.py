"""Pseudonyms, keys, forgetting, release; answers are never lost on the way to the analysis."""

import json
import os
import re
import shlex
import shutil
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest

from data.errors import InputError
from evaluation.run_directory import RunDirectory
from human_study.__main__ import main
from human_study.batch.folder import database_file
from human_study.batch.write import write_batch
from human_study.commands import analyse_run
from human_study.platforms.collect import is_response_table
from human_study.protocol.protocols import load_protocol
from human_study.responses.keys import default_key_file, load_key, pseudonym
from human_study.responses.table import merge_responses, read_responses, write_responses
from human_study.server.export import backup, export_responses, missing_answers, release, session_list
from human_study.server.serve import PANELS, choose_panel, links_for, open_store
from tests.human_study.server.participants import ORIGIN, SMALL, Participant, last_of, refused


@pytest.fixture
def arguments(tiny_run, key_file):
    return ["--run", str(tiny_run.path), "--key-file", str(key_file)]


def take_part(client, *links):
    for link in links:
        Participant(client, link.removeprefix(ORIGIN)).consent().all()


def take_linked_part(client, count):
    take_part(client, *(link for _, link in links_for(client.site, client.store.batch.secret / "links.csv", count)))


def names_in(folder, text):
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def test_raw_ids_are_nowhere(make, tiny_run):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""))
    worker = "5f00aa77bb11cc22dd33ee44"
    take_part(client, client.panel(worker))
    assert pseudonym(client.store.key, "prolific", worker) in set(client.table()["participant"])
    assert not names_in(tiny_run.study, worker)


def test_forgetting_reaches_database_tables_and_links_and_lasts(make, tiny_run, arguments, tmp_path, capsys):
    client = make()
    take_linked_part(client, 2)
    store = client.store
    folder, links, table = store.batch.folder, store.batch.secret / "links.csv", store.batch.folder / "responses.csv"
    older, copies = tmp_path / "older.csv", [tmp_path / f"{when}.sqlite" for when in ("before", "after")]
    write_responses(client.table(), table)
    shutil.copy(table, older)
    backup(store.file, copies[0])
    main(["forget", *arguments, "P001"])
    assert "1 session of the server, 9 rows of tables of responses and 1 link" in capsys.readouterr().out
    backup(store.file, copies[1])
    main(["forget", *arguments, "P001"])  # again: nothing is left to delete
    assert "deleted 0 session" in capsys.readouterr().out
    assert "nobody of platform local" in refused(["forget", *arguments, "P003"], capsys)
    gone, other = (pseudonym(store.key, "local", name) for name in ("P001", "P002"))
    assert set(read_responses(table)["participant"]) == set(client.table()["participant"]) == {other}
    assert "P001" not in links.read_text() and "P002" in links.read_text()
    assert not names_in(folder, gone)
    with pytest.raises(InputError, match="older.csv: holds 9 rows of a participant who was forgotten"):
        analyse_run(tiny_run, "lab", [older])
    shutil.copy(older, table)
    with pytest.raises(InputError, match="9 rows of a participant who was forgotten"):
        analyse_run(tiny_run, "lab")
    # an earlier export, the database as it was on another computer, and a computer that knows of it by a copy only
    marks = next(file for file in folder.rglob("*") if file.is_file() and "forgotten" in file.name)
    for sources, known in (([older], True), ([copies[0]], True), ([older, copies[1]], False)):
        table.unlink(missing_ok=True)
        if not known:
            marks.unlink()
        main(["collect", *arguments, *map(str, sources)])
        assert set(read_responses(table)["participant"]) == {other}
        assert "asked to be forgotten" in (folder / "import-report.csv").read_text()


def test_whoever_was_forgotten_comes_back_as_somebody_new(make, tiny_run, arguments, key_file, capsys):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""))
    store = client.store
    take_linked_part(client, 2)
    take_part(client, client.panel("W1"))
    first, older = store.find("prolific", "W1"), store.file.with_name("older.sqlite")
    backup(store.file, older)
    main(["forget", *arguments, "P001"])
    main(["forget", *arguments, "--platform", "prolific", "W1"])
    again = links_for(client.site, store.batch.secret / "links.csv", 2)
    assert [name for name, _ in again] == ["P002", "P003"]  # a name is never given twice
    take_part(client, client.panel("W1"))
    assert store.find("prolific", "W1") != first
    Participant(client, again[1][1].removeprefix(ORIGIN)).ask("withdraw")
    folder = store.batch.folder
    write_responses(client.table(), folder / "responses.csv")
    assert analyse_run(tiny_run, "lab").participation.sessions == 2
    store.close()
    shutil.copy(older, store.file)  # a backup is put back
    capsys.readouterr()
    assert client.table()["session_id"].nunique() == 1
    assert "2 session(s) of participants who were forgotten are left out" in capsys.readouterr().err
    open_store(tiny_run, store.batch, key_file).close()
    assert "deleted 2 session(s)" in capsys.readouterr().out
    client.table()
    assert capsys.readouterr().err == ""


def test_whoever_was_forgotten_is_turned_away_by_the_protocol(make, arguments):
    client = make(settings=[*SMALL, "forgotten_may_return=false"], panel=PANELS["prolific"])
    take_part(client, client.panel("W1"))
    main(["forget", *arguments, "--platform", "prolific", "W1"])
    assert [client.get(client.panel(one)).status_code for one in ("W1", "W2")] == [403, 200]


def test_a_list_of_sessions_to_pay_and_to_forget_by(make, arguments, capsys):
    client = make()
    code = client.join("P001").consent().all()["code"]
    client.join("P002").consent().all()
    client.join("P003").consent().answer(0)
    main(["sessions", *arguments[:2]])
    text = capsys.readouterr().out
    assert code in text and "P001" not in text
    found = session_list(client.store.batch)
    assert found["status"].tolist() == ["finished", "finished", "running"] and found["code"].tolist()[::2] == [code, ""]
    assert found["answers"].tolist() == [9, 9, 1] and found["pay"].tolist() == ["yes", "yes", ""]
    sessions = client.store.sessions()
    for who in (sessions[1].code, sessions[0].session_id):
        main(["forget", *arguments, who])
    assert client.store.sessions() == sessions[2:]


def test_a_database_of_another_version_is_refused(make, tiny_run, key_file):
    client = make()
    client.join().consent().all()
    client.store._db.execute("DELETE FROM meta WHERE name = 'schema'")  # as the version before wrote it
    with pytest.raises(InputError, match="study.sqlite: written by another version.*schema 1, this one has 4"):
        open_store(tiny_run, client.store.batch, key_file)
    with pytest.raises(InputError, match="study.sqlite: written by another version"):
        client.table()


def test_keys(make, tiny_run, key_file, tmp_path):
    results, file = tmp_path / "results", tmp_path / "other" / "a.key"
    with pytest.raises(InputError, match="is missing"):
        load_key(file, results, create=False)
    key = load_key(file, results, create=True)
    assert load_key(file, results, create=False) == key and file.stat().st_mode & 0o777 == 0o600
    assert pseudonym(key, "mturk", "A1") != pseudonym(key, "prolific", "A1")
    batch = make().store.batch
    with pytest.raises(InputError, match="the key is not the one"):
        open_store(tiny_run, batch, file)
    file.chmod(0o644)
    with pytest.raises(InputError, match="readable by others"):
        load_key(file, results, create=False)
    with pytest.raises(InputError, match="outside the results"):
        load_key(results / "a.key", results, create=True)
    key_file.unlink()
    with pytest.raises(InputError, match="is missing"):
        open_store(tiny_run, batch, key_file)


@pytest.mark.parametrize("home, message", [(None, "no home folder"), ("/proc", "cannot be written there")])
def test_where_there_is_no_place_for_the_key(tmp_path, monkeypatch, home, message):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if home is None:
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home directory")))
    else:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(InputError, match=f"{message}.*--key-file"):
        load_key(default_key_file("lab"), tmp_path, create=True)


@pytest.mark.parametrize("served", [False, True])
def test_a_database_is_read_where_nothing_can_be_written(make, monkeypatch, served):
    client = make()
    client.join().consent().all()
    if not served:
        client.store.close()
    secret = client.store.batch.secret
    before = sorted(secret.iterdir())
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert len(client.table()) == 9 and sorted(secret.iterdir()) == before
    assert (secret / "study.sqlite-wal").exists() == served


# --- tables ----------------------------------------------------------------------------------------------------------

def test_release_has_no_ids_coarse_times_and_nobody_who_withdrew(make):
    client = make()
    client.join("P001").consent().all()
    gone = client.join("P002").consent()
    gone.answer(0)
    gone.ask("withdraw")
    frame = client.table()
    assert set(frame["submit_status"]) == {"submitted", "withdrawn"}
    public = release(frame)
    assert set(public["submit_status"]) == {"submitted"} and set(public["participant"]) == {"w0001"}
    text = public.to_csv()
    assert not any(value in text for name in ("participant", "session_id") for value in frame[name])
    assert set(public["rt_ms"]) == {700.0} and public["assignment_id"].isna().all()
    assert public["outcome"].tolist() == frame.loc[frame["submit_status"].eq("submitted"), "outcome"].tolist()


def test_the_table_for_the_analysis_is_never_lost(make, arguments, tmp_path, capsys):
    client = make()
    client.join("P001").consent().all()
    folder, export = client.store.batch.folder, ["export", *arguments[:2], "--protocol", "lab"]
    own = folder / "responses.csv"
    assert "--release needs --out" in refused([*export, "--release"], capsys)
    assert "--release needs --out" in refused([*export, "--release", "--out", str(own)], capsys)
    main([*export, "--release", "--out", str(tmp_path / "public.csv")])
    for _ in range(2):  # its own rows may be written again
        main([*export, "--out", str(tmp_path / "answers.json")])
        main(export)
    assert read_responses(tmp_path / "answers.json").equals(client.table()) and own.stat().st_mode & 0o007 == 0
    frame = read_responses(own)
    write_responses(merge_responses([frame, frame.assign(platform="mturk", session_id="mturk-A1")]), own)
    assert "collected from mturk" in refused(export, capsys)
    assert len(read_responses(own)) == 18


def test_a_table_with_more_sessions_is_not_replaced(make, tiny_run, arguments, key_file, capsys):
    client = make()
    store = client.store
    [client.join().consent().all() for _ in range(2)]
    folder, export = store.batch.folder, ["export", *arguments[:2]]
    own, aside, public = folder / "responses.csv", folder / "aside.csv", folder.parent / "public.csv"
    main(export)
    main([*export, "--release", "--out", str(public)])
    before = own.read_bytes()
    store.close()
    store.file.rename(folder / "lost.sqlite")
    with pytest.raises(InputError, match="study.sqlite: missing, but .*responses.csv shows"):
        open_store(tiny_run, store.batch, key_file)
    own.rename(aside)
    client.site.store = open_store(tiny_run, store.batch, key_file)
    aside.rename(own)
    client.join().consent().all()
    assert "2 session(s) that are not in the database" in refused(export, capsys)
    own.rename(aside)
    assert "1 session(s) that are not in the database" in refused([*export, "--release", "--out", str(public)], capsys)
    aside.rename(own)
    assert own.read_bytes() == before
    main([*export, "--replace"])
    assert (folder / "responses.replaced-1.csv").read_bytes() == before
    assert read_responses(own)["session_id"].nunique() == 1
    client.store.close()


def test_a_copy_without_its_log_is_noticed(make, tmp_path, capsys):
    client = make()
    client.join().consent().all()
    batch, alone, whole = client.store.batch, tmp_path / "alone.sqlite", tmp_path / "whole.sqlite"
    shutil.copy(client.store.file, alone)
    assert backup(client.store.file, whole) == 9 and whole.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.glob("whole*")) == [whole]
    assert len(export_responses(batch, database=whole)) == 9 and capsys.readouterr().err == ""
    with pytest.raises(InputError, match="no answers yet"):
        export_responses(batch, database=alone)
    assert "copied while the study was served, without alone.sqlite-wal" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["lone \ud800 surrogate", "line\rline\r\nline", "\x00nul\x1b[31m\x85\u2028", "NA"])
def test_any_text_can_be_stored_and_read_back(make, tmp_path, text):
    client = make(settings=[*SMALL, "questions=[comment]"], panel=choose_panel("prolific", "C1A2B3", "", ""))
    someone = Participant(client, f"{client.panel('W')}&SESSION_ID={quote(text, errors='surrogatepass')}").consent()
    body = json.dumps({"tab": someone.state["tab"], "stage": "after", "answers": {"comment": text}})
    sent = client.post("/api/about", content=body, headers=someone.headers | {"Content-Type": "application/json"})
    assert sent.status_code == 200
    someone.all()
    frame = client.table()
    write_responses(frame, tmp_path / "r.csv")
    again = read_responses(tmp_path / "r.csv")
    assert again["note_comment"].equals(frame["note_comment"]) and again["assignment_id"].equals(frame["assignment_id"])
    assert not re.search(r"[\r\x00\x1b\ud800]", frame["note_comment"][0])


def test_answers_given_after_the_export_are_not_left_out(make, tiny_run):
    client = make()
    first = client.join()
    first.consent().all()
    folder, table = client.store.batch.folder, client.store.batch.folder / "responses.csv"
    write_responses(client.table(), table)
    assert missing_answers(read_responses(table), folder) == 0
    client.join().consent().answer(0)
    with pytest.raises(InputError, match="behind the study server by 1 answers.*human_study export"):
        analyse_run(tiny_run, "lab")
    write_responses(client.table(), table)
    first.ask("withdraw")
    with pytest.raises(InputError, match="behind the study server by 9 answers"):
        analyse_run(tiny_run, "lab")
    with pytest.raises(InputError, match="responses.csv: holds 1 session.* withdrawn after it was written"):
        analyse_run(tiny_run, "lab", [table])


def test_collect_reads_the_database_it_is_given(make, arguments, key_file, tmp_path, capsys):
    client = make()
    client.join().consent().all()
    copy = tmp_path / "from another computer.sqlite"
    backup(client.store.file, copy)
    client.join().consent().all()
    collect = ["collect", *arguments, str(copy)]
    main(collect)
    assert read_responses(client.store.batch.folder / "responses.csv")["session_id"].nunique() == 1
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE meta SET value = 'b' WHERE name = 'spec_sha256'")
    assert "answers to specification b" in refused([*collect, "--add"], capsys)
    copy.write_text("no database")
    assert "not a database" in refused([*collect, "--add"], capsys)
    key_file.unlink()
    assert "is missing" in refused([*collect, "--add"], capsys)
    assert not key_file.exists()  # another key would make everybody somebody else


def test_simulated_and_people_never_meet(make, tiny_run, key_file):
    people, simulated = make(), make(simulated=True)
    for client in (people, simulated):
        client.join().consent().all()
    batch = people.store.batch
    frames = [export_responses(batch, simulated=kind) for kind in (False, True)]
    assert [set(frame["platform"]) for frame in frames] == [{"local"}, {"sim"}]
    with pytest.raises(InputError, match="never be merged"):
        merge_responses(frames)
    people.store.close()
    simulated.store.close()
    file = database_file(batch.folder, simulated=True)
    shutil.copy(file, database_file(batch.folder))
    with pytest.raises(InputError, match="simulated differs"):
        open_store(tiny_run, batch, key_file)
    database_file(batch.folder).unlink()  # simulated answers alone are made again for a changed study
    write_batch(tiny_run, load_protocol("lab", last_of([*SMALL, "hits=5"])), None, "crn")
    assert not file.exists()


def test_a_table_from_before_a_measurement_was_added_is_read(make, tmp_path):
    client = make()
    client.join().consent().all()
    client.table().drop(columns="paused_ms").to_csv(tmp_path / "older.csv", index=False)
    assert read_responses(tmp_path / "older.csv")["paused_ms"].isna().all()
    assert is_response_table(tmp_path / "older.csv")


def test_printed_commands_can_be_copied_from_any_folder(make, tiny_run):
    client = make()
    someone, store = client.join().consent(), client.store
    for i, trial in enumerate(store.trials(store.sessions()[0])):
        assert someone.answer(i, trial.sentinel_answer or ("left", "right")[i % 2]).status_code == 200
    someone.ask("finish")
    responses, odd = client.table(), tiny_run.path.with_name("Anna's run & more")
    tiny_run.path.rename(odd)
    write_responses(responses.iloc[:-1], odd / store.batch.folder.relative_to(tiny_run.path) / "responses.csv")
    with pytest.raises(InputError) as error:
        analyse_run(RunDirectory.open(odd), "lab")
    text = str(error.value)
    main(shlex.split(text[text.index("python -m"):text.index(" (if")])[3:])
    assert len(analyse_run(RunDirectory.open(odd), "lab").preferences) == 3
    assert shlex.split(text[text.index("human_study collect"):text.index("), or name")])[3] == str(odd)
