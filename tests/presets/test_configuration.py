"""run.json: what it keeps of the call that made a run, and of later ones."""

import pytest

from data.errors import InputError
from data.files import read_json, write_json
from evaluation.pipeline.configuration import record_configuration
from evaluation.run_directory import Method, RunDirectory
from presets.schema import Preset


def test_run_json_keeps_the_command_that_made_the_run(tmp_path):
    first = "python -m evaluation.run --all --methods crn"
    record_configuration(tmp_path, Preset(methods=["crn"]), "street", {}, first)
    record_configuration(tmp_path, Preset(methods=["pix2pix"]), "street", {}, "python -m evaluation.run --stages train")
    record = read_json(tmp_path / "run.json")
    assert record["command"] == first
    assert record["config"]["methods"] == ["crn", "pix2pix"]


def test_files_may_move_but_settings_stay(tmp_path):
    def preset(**perceptual):
        return Preset.model_validate({"perceptual": {"source": "safetensors", **perceptual}})
    record_configuration(tmp_path, preset(path="here.safetensors"), "street", {}, "")
    record_configuration(tmp_path, preset(path="there.safetensors", label="VGG-19 (mine)"), "street", {}, "")
    with pytest.raises(InputError, match="perceptual.convention was 'caffe', now 'torchvision'"):
        record_configuration(tmp_path, preset(path="here.safetensors", convention="torchvision"), "street", {}, "")


def test_a_run_of_an_older_version_takes_the_defaults_of_keys_that_it_lacks(tmp_path, capsys):
    record_configuration(tmp_path, Preset(), "street", {}, "")
    record = read_json(file := tmp_path / "run.json")
    del record["format"], record["config"]["training"]["average"]
    record["config"]["training"]["momentum"] = 0.5
    record["config"]["study"] = {"reference": "crn"}
    write_json(file, record)
    record_configuration(tmp_path, Preset(), "street", {}, "")
    assert capsys.readouterr().out == f"  {file}: training.momentum: keys of another version of the suite, left out\n"
    assert read_json(file)["format"] == 2 and read_json(file)["config"]["training"]["average"] == 0
    with pytest.raises(InputError, match=r"training.average was 0.0, now 0.5"):
        record_configuration(tmp_path, Preset.model_validate({"training": {"average": 0.5}}), "street", {}, "")


@pytest.mark.parametrize(("change", "message"), [
    ({"format": 3}, "format 3; this version of the suite reads formats 1 to 2"), ({"config": []}, "no configuration"),
    ({"config": {"methods": "crn"}}, "config.methods: a list of names is expected, got 'crn'"),
    ({"config": {"methods": [], "seed": "0,5"}}, "key 'seed': Input should be a valid integer, got '0,5'")])
def test_a_record_of_a_run_edited_by_hand_is_one_line(tmp_path, change, message):
    record_configuration(tmp_path, Preset(), "street", {}, "")
    write_json(file := tmp_path / "run.json", read_json(file) | change)
    with pytest.raises(InputError) as error:
        record_configuration(tmp_path, Preset(), "street", {}, "")
    assert str(error.value).startswith(f"{file}: ") and message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("change", "message"), [
    ({"images_seen": "0,5"}, "images_seen: Input should be a valid integer"), ({"sise": 1}, "unknown key 'sise'"),
    ({"notes": "a"}, "notes: Input should be a valid list"), ({"name": None}, "name: Input should be a valid string")])
def test_a_record_of_a_method_edited_by_hand_is_one_line(tmp_path, change, message):
    RunDirectory(tmp_path).write_method(Method("crn", "CRN"))
    assert RunDirectory(tmp_path).method("crn") == Method("crn", "CRN")
    file = tmp_path / "methods" / "crn" / "method.json"
    write_json(file, read_json(file) | change)
    with pytest.raises(InputError) as error:
        RunDirectory(tmp_path).method("crn")
    assert str(error.value) == f"{file}: not the record of a method ({message})" or message in str(error.value)
