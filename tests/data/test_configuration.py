"""Configuration means what it says: numbers, words and keys of YAML and JSON files."""

import pytest

from data.errors import InputError
from data.files import parse_yaml, read_json, read_yaml
from data.label_file import read_label_file
from presets.schema import load_preset


@pytest.mark.parametrize(("text", "value"), [
    ("010", 10), ("-007", -7), ("0", 0), ("0x1F", 31), ("0o17", 15), ("1:30", "1:30"), ("+5", 5),
    ("1e-4", 1e-4), ("1.", 1.0), (".5", 0.5), ("2.5E+3", 2500.0), ("1.2.3", "1.2.3"), ("yes", "yes"), ("no", "no"),
    ("on", "on"), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
    ("[1, 02]", [1, 2]), ("{a: 1, b: {a: 2}}", {"a": 1, "b": {"a": 2}}),
    ("'010'", "010"), ("-", [None]), ("{<<: {a: 1, b: 2}, a: 3}", {"a": 3, "b": 2})])
def test_values_are_read_as_they_are_written(text, value):
    found = parse_yaml(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "[1, .NaN]", "!!int x", "!!float x",
                                  "!!timestamp x", "9" * 5000, "2001-01-01", "[" * 600, "- &a [*a]", "\0",
                                  "{[a, b]: 1}", "=", "a: !!binary x", "!!python/name:os.system"])
def test_what_json_does_not_have_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value) and 0 < len(str(caught.value)) < 300


@pytest.mark.parametrize(("text", "line"), [
    ("a: 1\nb: 2\na: 3", 3), ("x:\n  a: 1\n  a: 1", 3), ("[{a: 1,\n b: 2, 'a': 3}]", 2)])
def test_a_key_that_is_listed_twice(tmp_path, text, line):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=f'a.yaml: not valid YAML .line {line}: found duplicate key "a"'):
        read_yaml(tmp_path / "a.yaml", "test")


@pytest.mark.parametrize(("text", "reason"), [
    ('{"a": [{\n\t"b": 1,\n"c": 2,\n"b": 3}]}', "key 'b' is listed twice"), ('{"a": NaN}', "NaN is not a number"),
    ('{"a": -Infinity}', "-Infinity is not a number"), ("[" * 9000, "recursion"), ('{"a": 0,5}', "line 1 column 9")])
def test_json_that_was_edited_by_hand(tmp_path, text, reason):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=f"a.json: not valid JSON .*{reason}"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"a": {"b": 1}, "b": {"b": 2}}')
    assert read_json(tmp_path / "a.json")["b"] == {"b": 2}


def test_labels_and_presets_are_read_so(tmp_path):
    labels, own = tmp_path / "labels.yaml", tmp_path / "own.yaml"
    labels.write_text("names: [road, building, no, void]\nunlisted: void\n"
                      "raw_ids: {road: 007, building: 011, no: 026}\n")
    space = read_label_file(labels).labels
    assert [space.names[space._table[raw]] for raw in (7, 11, 26, 9, 22)] == ["road", "building", "no", "void", "void"]
    labels.write_text("names: [road, void]\nraw_ids:\n  road: 0\n  road: 3\nunlisted: void\n")
    with pytest.raises(InputError, match="labels.yaml: .*line 4: found duplicate key \"road\""):
        read_label_file(labels)
    own.write_text("extends: smoke\nseed: 010\n")
    assert load_preset(str(own)).seed == 10
    own.write_text("extends: smoke\ntraining: {lr: 0.01}\nmethods: [crn]\ntraining: {images_seen: 32}\n")
    with pytest.raises(InputError, match="own.yaml: .*line 4: found duplicate key \"training\""):
        load_preset(str(own))


@pytest.mark.parametrize(("setting", "said"), [
    ("training.lr=.inf", "finite numbers"), ("training.lr=1e999", "finite numbers"),
    ("seed=1:30", "key 'seed': Input should be a valid integer, got '1:30'"),
    ("seed=4294967296", "key 'seed': Input should be less than"), ("data.seed=-1", "key 'data.seed': Input should be"),
    ("training.group_timeout=1e20", "key 'training.group_timeout'"), ("data.size=[99999, 64]", "key 'data.size.0'"),
    ("training.images_seen=99999999999999", "key 'training.images_seen'"),
    ("overrides={gan: {lr: 1.0}, gan: {lr: 2.0}}", "found duplicate key \"gan\""),
    ("training.activation_checkpointing=yes", "should be a valid boolean, got 'yes'")])
def test_what_later_code_cannot_take_is_refused_when_it_is_read(setting, said):
    with pytest.raises(InputError) as error:
        load_preset("street", [setting])
    assert said in str(error.value) and "\n" not in str(error.value)
