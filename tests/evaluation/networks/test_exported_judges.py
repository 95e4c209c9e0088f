"""Exported networks as judges, and the YAML that describes them."""

import warnings

import pytest
import torch
from ruamel.yaml import YAML
from torch import nn

from data.errors import InputError
from data.files import sha256
from data.labels import LabelSpace
from evaluation.networks.judges import build_judge
from presets.schema import JudgeConfig

LABELS = LabelSpace(["road", "traffic light", "car", "void"], [(i, i, i) for i in range(4)])


class PickColour(nn.Module):
    """Five logits: how red, green, blue the pixel is, and two that are never largest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = torch.full_like(x[:, :2], -100.0)
        return torch.cat([low[:, :1], x, low[:, 1:]], dim=1)[:, :, ::2, ::2]


@pytest.fixture
def exported(tmp_path):
    file = tmp_path / "judge.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated; files made with it are still in use
        torch.jit.trace(PickColour(), torch.zeros(1, 3, 8, 8)).save(str(file))
    description = {"mean": [0, 0, 0], "std": [1, 1, 1], "scale": 255,
                   "labels": {1: "road", 2: "car", 3: "traffic light", 4: "road"}}
    YAML().dump(description, tmp_path / "judge.yaml")
    return JudgeConfig(source="torchscript", path=str(file)), description


def test_exported_judge(exported, tmp_path):
    judge = build_judge(exported[0], LABELS)
    images = 255 * torch.eye(3, dtype=torch.uint8)[:, :, None, None].expand(3, 3, 8, 12)  # red, green, blue
    prediction = judge.predict(images)
    assert prediction.dtype == torch.uint8 and prediction.shape == (3, 8, 12)
    assert [p.unique().tolist() for p in prediction] == [[0], [2], [1]]
    assert judge.provenance["sha256"] == sha256(tmp_path / "judge.pt")
    assert judge.provenance["label mapping"] == {"1": 0, "2": 2, "3": 1, "4": 0}


def test_export_archive_judge(exported, tmp_path):
    config = exported[0].model_copy(update={"path": str(tmp_path / "judge.pt2")})
    images = torch.zeros(3, 3, 8, 12, dtype=torch.uint8)
    images[:, 1] = 9
    for batch in (torch.export.Dim("batch"), None):
        program = torch.export.export(PickColour(), (torch.zeros(2, 3, 8, 12),), dynamic_shapes=({0: batch},))
        torch.export.save(program, tmp_path / "judge.pt2")
        judge = build_judge(config, LABELS)
        if batch:
            assert judge.predict(images).unique().tolist() == [2]
    with pytest.raises(InputError, match=r"cannot take images of shape \[3, 3, 8, 12\].*export with a dynamic batch"):
        judge.predict(images)


@pytest.mark.parametrize("change, message", [
    ({"means": [0]}, "did you mean 'mean'"),
    ({"mean": [0, 0]}, "key 'mean': List should have at least 3 items"),
    ({"std": [1, 0, 1]}, "key 'std.1': Input should be greater than 0, got 0"),
    ({"scale": "abc"}, "key 'scale': Input should be a valid number, got 'abc'"),
    ({"scale": 0}, "key 'scale': Input should be greater than 0"),
    ({"size": [0.5, 8]}, "key 'size.0': Input should be a valid integer"),
    ({"resize": "bicubic"}, "key 'resize': Input should be 'tf1-bilinear'"),
    ({"labels": None}, "key 'labels': Input should be a valid dictionary"),
    ({"labels": {1: "road", 2: "cat"}}, "unknown class 'cat'"),
    ({"labels": {"a": "road"}}, "key 'labels.a"),
    ({"labels": {1: "road", 2: "car"}}, "no class of the network for traffic light"),
])
def test_bad_descriptions_of_judges(exported, tmp_path, change, message):
    YAML().dump(exported[1] | change, tmp_path / "judge.yaml")
    with pytest.raises(InputError, match=message):
        build_judge(exported[0], LABELS)


def test_judges_that_are_not_there(exported, tmp_path):
    with pytest.raises(InputError, match="needs judge.path"):
        build_judge(JudgeConfig(source="torchscript"), LABELS)
    (tmp_path / "judge.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match="neither TorchScript nor"):
        build_judge(exported[0], LABELS)
    (tmp_path / "judge.yaml").unlink()
    with pytest.raises(InputError, match="no such file .the YAML"):
        build_judge(exported[0], LABELS)
