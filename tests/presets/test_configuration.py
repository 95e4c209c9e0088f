"""run.json: what it keeps of the call that made a run, and of later ones."""

import pytest

from data.errors import InputError
from data.files import read_json
from evaluation.pipeline.configuration import claim_run
from presets.schema import Preset


def test_run_json_keeps_the_command_that_made_the_run(tmp_path):
    claim_run(tmp_path, Preset(methods=["crn"]), "street", {}, "python -m evaluation.run --all --methods crn")
    claim_run(tmp_path, Preset(methods=["pix2pix"]), "street", {}, "python -m evaluation.run --stages train")
    record = read_json(tmp_path / "run.json")
    assert record["command"] == "python -m evaluation.run --all --methods crn"
    assert record["config"]["methods"] == ["crn", "pix2pix"]


def test_files_may_move_but_settings_stay(tmp_path):
    def preset(**perceptual):
        return Preset.model_validate({"perceptual": {"source": "safetensors", **perceptual}})
    claim_run(tmp_path, preset(path="here.safetensors"), "street", {}, "")
    claim_run(tmp_path, preset(path="there.safetensors", label="VGG-19 (mine)"), "street", {}, "")
    with pytest.raises(InputError, match="perceptual.convention was 'caffe', now 'torchvision'"):
        claim_run(tmp_path, preset(path="here.safetensors", convention="torchvision"), "street", {}, "")
