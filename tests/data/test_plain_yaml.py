"""Configuration means what it says: numbers, words and keys of YAML and JSON files."""

import pytest
import yaml

from data.errors import InputError
from data.files import read_json, read_yaml
from data.label_file import read_label_file
from data.plain_yaml import parse_yaml
from presets.schema import load_preset


@pytest.mark.parametrize(("text", "value"), [
    ("010", 10), ("-007", -7), ("0", 0), ("0x1F", 31), ("0o17", 15), ("1:30", "1:30"), ("1_000", "1_000"), ("+5", 5),
    ("1e-4", 1e-4), ("1.", 1.0), (".5", 0.5), ("2.5E+3", 2500.0), ("1.2.3", "1.2.3"), ("yes", "yes"), ("no", "no"),
    ("on", "on"), ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("=", "="),
    ("2001-01-01", "2001-01-01"), ("[1, 02]", [1, 2]), ("{a: 1, b: {a: 2}}", {"a": 1, "b": {"a": 2}}),
    ("'010'", "010"), ("-", [None]), ("{<<: {a: 1, b: 2}, a: 3}", {"a": 3, "b": 2})])
def test_values_are_read_as_they_are_written(text, value):
    found = parse_yaml(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "[1, .NaN]", "!!int x", "!!float x",
                                  "!!timestamp x", "9" * 5000])
def test_numbers_that_are_none_are_refused(text):
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


@pytest.mark.parametrize(("text", "said"), [
    ("a: 1\nb: 2\na: 3", "key 'a' stands twice, in line 1 and line 3"),
    ("x:\n  a: 1\n  a: 1", "key 'a' stands twice, in line 2 and line 3"),
    ("[{a: 1,\n b: 2, 'a': 3}]", "key 'a' stands twice, in line 1 and line 2")])
def test_a_key_that_stands_twice_is_told_with_both_lines(tmp_path, text, said):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=f"a.yaml: .*{said}"):
        read_yaml(tmp_path / "a.yaml", "test")


def test_twice_in_json(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [{\n\t"b": 1,\n"c": 2,\n"b": 3}]}')
    with pytest.raises(InputError, match="a.json: key 'b' stands twice, in line 2 and line 4$"):
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
    with pytest.raises(InputError, match="labels.yaml: .*key 'road' stands twice, in line 3 and line 4"):
        read_label_file(labels)
    own.write_text("extends: smoke\nseed: 010\n")
    assert load_preset(str(own)).seed == 10
    own.write_text("extends: smoke\ntraining: {lr: 0.01}\nmethods: [crn]\ntraining: {images_seen: 32}\n")
    with pytest.raises(InputError, match="own.yaml: .*key 'training' stands twice, in line 2 and line 4"):
        load_preset(str(own))


@pytest.mark.parametrize(("setting", "said"), [
    ("training.lr=.inf", "not a finite number"), ("training.lr=1e999", "not a finite number"),
    ("seed=1:30", "key 'seed': Input should be a valid integer, got '1:30'"),
    ("seed=4294967296", "key 'seed': Input should be less than"), ("data.seed=-1", "key 'data.seed': Input should be"),
    ("training.group_timeout=1e20", "key 'training.group_timeout'"), ("data.size=[99999, 64]", "key 'data.size.0'"),
    ("training.images_seen=99999999999999", "key 'training.images_seen'"),
    ("overrides={gan: {lr: 1.0}, gan: {lr: 2.0}}", "key 'gan' stands twice"),
    ("training.activation_checkpointing=yes", "should be a valid boolean, got 'yes'")])
def test_what_later_code_cannot_take_is_refused_when_it_is_read(setting, said):
    with pytest.raises(InputError) as error:
        load_preset("street", [setting])
    assert said in str(error.value) and "\n" not in str(error.value)
