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
from human_study.responses.forgotten import mark
from human_study.responses.keys import default_key_file, load_key, pseudonym
from human_study.responses.table import merge_responses, read_responses, write_responses
from human_study.server.export import backup, export_responses, missing_answers, release, session_list
from human_study.server.serve import PANELS, choose_panel, links_for, open_store
from tests.human_study.server.participants import ORIGIN, SMALL, Participant, join, last_of, refused


def test_raw_ids_are_nowhere(make, tiny_run, key_file):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""))
    worker = "5f00aa77bb11cc22dd33ee44"
    path = f"/p/{client.app.state.site.token('panel')}?PROLIFIC_PID={worker}"
    Participant(client, path).consent().all()
    store = client.app.state.site.store
    assert pseudonym(store.key, "prolific", worker) in set(export_responses(store.batch)["participant"])
    for file in tiny_run.study.rglob("*"):
        if file.is_file():
            assert worker.encode() not in file.read_bytes(), file


def test_forget(make, tiny_run, key_file, capsys):
    client = make()
    join(client, "P001").consent().all()
    join(client, "P002").consent().all()
    store = client.app.state.site.store
    name = pseudonym(store.key, "local", "P001")
    arguments = ["--run", str(tiny_run.path), "--protocol", "lab", "--key-file", str(key_file)]
    main(["forget", *arguments, "P001"])
    assert "deleted 1 session" in capsys.readouterr().out
    assert set(export_responses(store.batch)["participant"]) == {pseudonym(store.key, "local", "P002")}
    for file in database_file(store.batch.folder).parent.glob("study.sqlite*"):
        assert name.encode() not in file.read_bytes()
    main(["forget", *arguments, "P001"])  # again: nothing is left to delete
    assert "deleted 0 session" in capsys.readouterr().out
    assert "nobody of platform local" in refused(["forget", *arguments, "P003"], capsys)


def test_forgetting_reaches_tables_and_links_and_lasts(make, tiny_run, key_file, tmp_path, capsys):
    client = make()
    site, store = client.app.state.site, client.app.state.site.store
    folder, links = store.batch.folder, store.batch.secret / "links.csv"
    for _, link in links_for(site, links, 2):
        Participant(client, link.removeprefix(ORIGIN)).consent().all()
    table, older = folder / "responses.csv", tmp_path / "older.csv"
    write_responses(export_responses(folder), table)
    shutil.copy(table, older)
    copy = tmp_path / "copy.sqlite"
    backup(store.file, copy)
    arguments = ["--run", str(tiny_run.path), "--protocol", "lab", "--key-file", str(key_file)]
    main(["forget", *arguments, "P001"])
    assert "1 session of the server, 9 rows of tables of responses and 1 link" in capsys.readouterr().out
    other = pseudonym(store.key, "local", "P002")
    assert set(read_responses(table)["participant"]) == {other}
    assert "P001" not in links.read_text() and "P002" in links.read_text()
    gone = pseudonym(store.key, "local", "P001").encode()
    assert not [file for file in folder.rglob("*") if file.is_file() and gone in file.read_bytes()]
    with pytest.raises(InputError, match="older.csv: holds 9 rows of a participant who was forgotten"):
        analyse_run(tiny_run, "lab", [older])
    shutil.copy(older, table)
    with pytest.raises(InputError, match="9 rows of a participant who was forgotten"):
        analyse_run(tiny_run, "lab")
    for source in (older, copy):  # an earlier export, and the database as it was on another computer
        table.unlink(missing_ok=True)
        main(["collect", *arguments, str(source)])
        assert set(read_responses(table)["participant"]) == {other}
        assert "asked to be forgotten" in (folder / "import-report.csv").read_text()


def test_whoever_was_forgotten_comes_back_as_somebody_new(make, tiny_run, key_file, capsys):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""))
    site, store = client.app.state.site, client.app.state.site.store
    links, path = store.batch.secret / "links.csv", f"/p/{site.token('panel')}?PROLIFIC_PID=W1"
    [Participant(client, link.removeprefix(ORIGIN)).consent().all() for _, link in links_for(site, links, 2)]
    Participant(client, path).consent().all()
    first, older = store.find("prolific", "W1"), store.file.with_name("older.sqlite")
    backup(store.file, older)
    arguments = ["--run", str(tiny_run.path), "--protocol", "lab", "--key-file", str(key_file)]
    main(["forget", *arguments, "P001"])
    main(["forget", *arguments, "--platform", "prolific", "W1"])
    again = links_for(site, links, 2)
    assert [name for name, _ in again] == ["P002", "P003"]  # a name is never given twice
    Participant(client, path).consent().all()
    assert store.find("prolific", "W1") != first
    Participant(client, again[1][1].removeprefix(ORIGIN)).ask("withdraw", {})
    folder = store.batch.folder
    write_responses(export_responses(folder), folder / "responses.csv")
    assert analyse_run(tiny_run, "lab").participation.sessions == 2
    store.close()
    shutil.copy(older, store.file)  # a backup is put back
    capsys.readouterr()
    assert export_responses(folder)["session_id"].nunique() == 1
    assert "2 session(s) of participants who were forgotten are left out" in capsys.readouterr().err
    open_store(tiny_run, store.batch, key_file).close()
    assert "deleted 2 session(s)" in capsys.readouterr().out
    export_responses(folder)
    assert capsys.readouterr().err == ""


def test_whoever_was_forgotten_is_turned_away_by_the_protocol(make, tiny_run, key_file):
    client = make(settings=[*SMALL, "forgotten_may_return=false"], panel=PANELS["prolific"])
    path = f"/p/{client.app.state.site.token('panel')}?PROLIFIC_PID="
    Participant(client, path + "W1").consent().all()
    main(["forget", "--run", str(tiny_run.path), "--key-file", str(key_file), "--platform", "prolific", "W1"])
    assert [client.get(path + one).status_code for one in ("W1", "W2")] == [403, 200]


@pytest.mark.parametrize("by", ["code", "session_id"])
def test_forgetting_by_code_and_by_session(make, tiny_run, key_file, by):
    client = make()
    join(client, "P001").consent().all()
    join(client).consent().all()
    store = client.app.state.site.store
    first, second = store.sessions()
    main(["forget", "--run", str(tiny_run.path), "--key-file", str(key_file), getattr(second, by)])
    assert [session.session_id for session in store.sessions()] == [first.session_id]


def test_a_list_of_sessions_for_paying(make, tiny_run, capsys):
    client = make()
    code = join(client, "P001").consent().all()["code"]
    left = join(client, "P002").consent()
    left.answer(0)
    main(["sessions", "--run", str(tiny_run.path)])
    text = capsys.readouterr().out
    assert code in text and "P001" not in text
    found = session_list(client.app.state.site.store.batch)
    assert found["status"].tolist() == ["finished", "running"] and found["code"].tolist() == [code, ""]
    assert found["answers"].tolist() == [9, 1] and found["pay"].tolist() == ["yes", ""]


def test_a_copy_of_the_database_carries_the_forgotten(make, tiny_run, key_file, tmp_path):
    client = make()
    someone = [join(client, name) for name in ("P001", "P002")]
    [one.consent().all() for one in someone]
    store = client.app.state.site.store
    older, copy = tmp_path / "older.csv", tmp_path / "copy.sqlite"
    write_responses(export_responses(store.batch), older)
    store.forget([mark(pseudonym(store.key, "local", "P001"))])
    backup(store.file, copy)
    main(["collect", "--run", str(tiny_run.path), "--protocol", "lab", "--key-file", str(key_file), str(older),
          str(copy)])
    frame = read_responses(store.batch.folder / "responses.csv")
    assert set(frame["participant"]) == {pseudonym(store.key, "local", "P002")}


def test_whoever_withdrew_is_in_no_published_table(make):
    client = make()
    join(client, "P001").consent().all()
    gone = join(client, "P002").consent()
    gone.answer(0)
    gone.ask("withdraw", {})
    frame = export_responses(client.app.state.site.store.batch)
    assert set(frame["submit_status"]) == {"submitted", "withdrawn"}
    assert set(release(frame)["submit_status"]) == {"submitted"} and release(frame)["participant"].nunique() == 1


def test_a_database_of_another_version_is_refused(make, tiny_run, key_file):
    client = make()
    join(client).consent().all()
    store = client.app.state.site.store
    store._db.execute("DELETE FROM meta WHERE name = 'schema'")  # as the version before wrote it
    with pytest.raises(InputError, match="study.sqlite: written by another version.*schema 1, this one has 4"):
        open_store(tiny_run, store.batch, key_file)
    with pytest.raises(InputError, match="study.sqlite: written by another version"):
        export_responses(store.batch)


def test_the_pages_version_is_kept(make):
    client = make()
    someone = join(client)
    body = {"agreed": True, "vision": True, "version": someone.config["consent_version"], "user_agent_family": "Chrome",
            "client_version": "0123456789ab"}
    someone.state |= someone.ask("consent", body).json()
    someone.all()
    assert set(export_responses(client.app.state.site.store.batch)["client_version"]) == {"0123456789ab"}


def test_keys(tmp_path):
    results = tmp_path / "run"
    file = tmp_path / "keys" / "a.key"
    with pytest.raises(InputError, match="is missing"):
        load_key(file, results, create=False)
    key = load_key(file, results, create=True)
    assert load_key(file, results, create=False) == key and file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(InputError, match="readable by others"):
        load_key(file, results, create=False)
    with pytest.raises(InputError, match="outside the results"):
        load_key(results / "a.key", results, create=True)
    assert pseudonym(key, "mturk", "A1") != pseudonym(key, "prolific", "A1")


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
def test_a_database_is_read_where_nothing_can_be_written(make, tmp_path, monkeypatch, served):
    client = make()
    join(client).consent().all()
    store = client.app.state.site.store
    if not served:
        store.close()
    before = sorted(store.batch.secret.iterdir())
    monkeypatch.setattr(os, "access", lambda *_: False)
    frame = export_responses(store.batch)
    assert len(frame) == 9 and sorted(store.batch.secret.iterdir()) == before
    assert (store.batch.secret / "study.sqlite-wal").exists() == served


def test_a_lost_or_wrong_key_is_refused(make, tiny_run, key_file, tmp_path):
    client = make()
    batch = client.app.state.site.store.batch
    with pytest.raises(InputError, match="the key is not the one"):
        (tmp_path / "other").mkdir()
        open_store(tiny_run, batch, _made(tmp_path / "other" / "k"))
    key_file.unlink()
    with pytest.raises(InputError, match="is missing"):
        open_store(tiny_run, batch, key_file)


def _made(file):
    load_key(file, Path("/nowhere"), create=True)
    return file


def test_release_has_no_ids_and_coarse_times(make):
    client = make()
    join(client, "P001").consent().all()
    frame = export_responses(client.app.state.site.store.batch)
    public = release(frame)
    text = public.to_csv()
    for name in ("participant", "session_id"):
        assert not any(value in text for value in frame[name])
    assert set(public["participant"]) == {"w0001"} and set(public["rt_ms"]) == {700.0}
    assert public["assignment_id"].isna().all() and public["outcome"].equals(frame["outcome"])


def test_the_table_for_the_analysis_is_never_lost(make, tiny_run, tmp_path, capsys):
    client = make()
    join(client, "P001").consent().all()
    folder = client.app.state.site.store.batch.folder
    own, arguments = folder / "responses.csv", ["export", "--run", str(tiny_run.path), "--protocol", "lab"]
    assert "--release needs --out" in refused([*arguments, "--release"], capsys)
    assert "--release needs --out" in refused([*arguments, "--release", "--out", str(own)], capsys)
    main([*arguments, "--release", "--out", str(tmp_path / "public.csv")])
    for _ in range(2):
        main([*arguments, "--out", str(tmp_path / "answers.json")])
    assert read_responses(tmp_path / "answers.json").equals(export_responses(folder))
    main(arguments)
    main(arguments)  # its own rows may be written again
    frame = read_responses(own)
    other = frame.assign(platform="mturk", session_id="mturk-A1")
    write_responses(merge_responses([frame, other]), own)
    assert "collected from mturk" in refused(arguments, capsys)
    assert len(read_responses(own)) == 18


def test_a_table_with_more_sessions_is_not_replaced(make, tiny_run, key_file, capsys):
    client = make()
    [join(client).consent().all() for _ in range(2)]
    store = client.app.state.site.store
    folder, arguments = store.batch.folder, ["export", "--run", str(tiny_run.path)]
    own, public = folder / "responses.csv", folder.parent / "public.csv"
    main(arguments)
    main([*arguments, "--release", "--out", str(public)])
    assert own.stat().st_mode & 0o007 == 0
    before = own.read_bytes()
    store.close()
    store.file.rename(folder / "lost.sqlite")
    with pytest.raises(InputError, match="study.sqlite: missing, but .*responses.csv shows"):
        open_store(tiny_run, store.batch, key_file)
    own.rename(folder / "aside.csv")
    begun = open_store(tiny_run, store.batch, key_file)
    (folder / "aside.csv").rename(own)
    client.app.state.site.store = begun
    join(client).consent().all()
    assert "2 session(s) that are not in the database" in refused(arguments, capsys)
    own.rename(folder / "aside.csv")
    assert "1 session(s) that are not in the database" in refused([*arguments, "--release", "--out", str(public)],
                                                                  capsys)
    (folder / "aside.csv").rename(own)
    assert own.read_bytes() == before
    main([*arguments, "--replace"])
    assert (folder / "responses.replaced-1.csv").read_bytes() == before
    assert read_responses(own)["session_id"].nunique() == 1
    begun.close()


def test_a_copy_without_its_log_is_noticed(make, tmp_path, capsys):
    client = make()
    someone = join(client).consent()
    store = client.app.state.site.store
    someone.all()
    alone, whole = tmp_path / "alone.sqlite", tmp_path / "whole.sqlite"
    shutil.copy(store.file, alone)
    assert backup(store.file, whole) == 9 and whole.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.glob("whole*")) == [whole]
    assert len(export_responses(store.batch, database=whole)) == 9
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="no answers yet"):
        export_responses(store.batch, database=alone)
    assert "copied while the study was served, without alone.sqlite-wal" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["lone \ud800 surrogate", "line\rline\r\nline", "\x00nul\x1b[31m\x85\u2028", "NA"])
def test_any_text_can_be_stored_and_read_back(make, tmp_path, text):
    client = make(settings=[*SMALL, "questions=[comment]"], panel=choose_panel("prolific", "C1A2B3", "", ""))
    site = client.app.state.site
    session = quote(text, errors="surrogatepass")
    someone = Participant(client, f"/p/{site.token('panel')}?PROLIFIC_PID=W&SESSION_ID={session}").consent()
    body = json.dumps({"tab": someone.state["tab"], "stage": "after", "answers": {"comment": text}})
    sent = client.post("/api/about", content=body, headers=someone.headers | {"Content-Type": "application/json"})
    assert sent.status_code == 200
    someone.all()
    frame = export_responses(site.store.batch)
    write_responses(frame, tmp_path / "r.csv")
    again = read_responses(tmp_path / "r.csv")
    assert again["note_comment"].equals(frame["note_comment"]) and again["assignment_id"].equals(frame["assignment_id"])
    assert not re.search(r"[\r\x00\x1b\ud800]", frame["note_comment"][0])


def test_answers_given_after_the_export_are_not_left_out(make, tiny_run):
    client = make()
    first = join(client)
    first.consent().all()
    folder = client.app.state.site.store.batch.folder
    write_responses(export_responses(folder), folder / "responses.csv")
    assert missing_answers(read_responses(folder / "responses.csv"), folder) == 0
    join(client).consent().answer(0)
    with pytest.raises(InputError, match="behind the study server by 1 answers.*human_study export"):
        analyse_run(tiny_run, "lab")
    write_responses(export_responses(folder), folder / "responses.csv")
    first.ask("withdraw", {})
    with pytest.raises(InputError, match="behind the study server by 9 answers"):
        analyse_run(tiny_run, "lab")
    with pytest.raises(InputError, match="responses.csv: holds 1 session.* withdrawn after it was written"):
        analyse_run(tiny_run, "lab", [folder / "responses.csv"])


def test_collect_reads_the_database_it_is_given(make, tiny_run, key_file, tmp_path, capsys):
    client = make()
    join(client).consent().all()
    store = client.app.state.site.store
    copy = tmp_path / "from another computer" / "answers.sqlite"
    copy.parent.mkdir()
    backup(store.file, copy)
    join(client).consent().all()
    arguments = ["collect", "--run", str(tiny_run.path), "--key-file", str(key_file), str(copy)]
    main(arguments)
    assert read_responses(store.batch.folder / "responses.csv")["session_id"].nunique() == 1
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE meta SET value = 'b' WHERE name = 'spec_sha256'")
    assert "answers to specification b" in refused([*arguments, "--add"], capsys)
    copy.write_text("no database")
    assert "not a database" in refused([*arguments, "--add"], capsys)
    key_file.unlink()
    assert "is missing" in refused([*arguments, "--add"], capsys)
    assert not key_file.exists()  # another key would make everybody somebody else


def test_simulated_and_people_never_meet(make, tiny_run, key_file):
    people, simulated = make(), make(simulated=True)
    for client in (people, simulated):
        join(client).consent().all()
    batch = people.app.state.site.store.batch
    frames = [export_responses(batch), export_responses(batch, simulated=True)]
    assert [set(frame["platform"]) for frame in frames] == [{"local"}, {"sim"}]
    with pytest.raises(InputError, match="never be merged"):
        merge_responses(frames)
    people.app.state.site.store.close()
    simulated.app.state.site.store.close()
    database_file(batch.folder, simulated=True).rename(database_file(batch.folder))
    with pytest.raises(InputError, match="simulated differs"):
        open_store(tiny_run, batch, key_file)


def test_simulated_answers_are_made_again(make, tiny_run):
    client = make(simulated=True)
    join(client).consent().all()
    client.app.state.site.store.close()
    batch = write_batch(tiny_run, load_protocol("lab", last_of([*SMALL, "hits=5"])), None, "crn")
    assert not list(batch.secret.glob("simulated.sqlite*"))


def test_a_table_from_before_a_measurement_was_added_is_read(make, tmp_path):
    client = make()
    join(client).consent().all()
    frame = export_responses(client.app.state.site.store.batch)
    frame.drop(columns="paused_ms").to_csv(tmp_path / "older.csv", index=False)
    assert read_responses(tmp_path / "older.csv")["paused_ms"].isna().all()
    assert is_response_table(tmp_path / "older.csv")


def test_printed_commands_can_be_copied_from_any_folder(make, tiny_run):
    client = make()
    someone, store = join(client).consent(), client.app.state.site.store
    for i, trial in enumerate(store.trials(store.sessions()[0])):
        assert someone.answer(i, trial.sentinel_answer or ("left", "right")[i % 2]).status_code == 200
    someone.ask("finish", {})
    folder = store.batch.folder
    responses = export_responses(folder)
    odd = tiny_run.path.with_name("Anna's run & more")
    tiny_run.path.rename(odd)
    folder = odd / folder.relative_to(tiny_run.path)
    write_responses(responses.iloc[:-1], folder / "responses.csv")
    with pytest.raises(InputError) as error:
        analyse_run(RunDirectory.open(odd), "lab")
    text = str(error.value)
    printed = shlex.split(text[text.index("python -m"):text.index(" (if")])
    main(printed[3:])
    assert len(analyse_run(RunDirectory.open(odd), "lab").preferences) == 3
    assert shlex.split(text[text.index("human_study collect"):text.index("), or name")])[3] == str(odd)
