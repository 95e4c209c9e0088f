"""What presets may say: values in their bounds, keys that depend on each other, files that extend others."""

import pytest

from data.configuration import with_new_keys
from data.errors import InputError
from presets.schema import load_preset


@pytest.mark.parametrize("setting, message", [
    ("score.extractors=[{knd: judge}]", "unknown key 'score.extractors.0.knd': did you mean 'kind'?"),
    ("overrides.gan.beta=[0.5, 0.9]", "unknown key 'overrides.gan.beta': did you mean 'betas'?"),
    ("data.siz=[64, 128]", "unknown key 'data.siz': did you mean 'size'?"),
    ("data.size=[4, 128]", "key 'data.size.0': Input should be greater than or equal to 8, got 4"),
    ("training.betas=[0.9, 1.0]", "key 'training.betas.1': Input should be less than 1, got 1.0"),
    ("overrides.gan.betas=[-0.5, 0.9]", "key 'overrides.gan.betas.0': Input should be greater than or equal to 0"),
    ("training.trainable=2", "key 'training.trainable': the other modules would stay random: needs"),
    ("study.reference=crn", "key 'study.reference' is now called 'study.baseline'"),
    ("perceptual.path=vgg.mat", "perceptual.path needs perceptual.source=torchvision|matconvnet|safetensors")])
def test_what_is_refused_names_the_key(setting, message):
    with pytest.raises(InputError) as error:
        load_preset("street", [setting])
    assert message in str(error.value)


def test_keys_that_need_another_one():
    training = load_preset("street", ["training.trainable=2", "training.start_from=runs/coarse"]).training
    assert (training.trainable, training.start_from) == (2, "runs/coarse")
    perceptual = load_preset("street", ["perceptual.path=vgg.mat", "perceptual.source=matconvnet"]).perceptual
    assert perceptual.path == "vgg.mat"


@pytest.mark.parametrize("text, value", [("1e-4", 1e-4), ("2.5E-3", 2.5e-3), ("1e+1", 10.0), ("0.001", 1e-3)])
def test_numbers_with_an_exponent(tmp_path, text, value):
    assert load_preset("street", [f"training.lr={text}"]).training.lr == value
    (tmp_path / "own.yaml").write_text(f"training: {{lr: {text}}}")
    assert load_preset(str(tmp_path / "own.yaml")).training.lr == value


def test_a_file_extends_the_one_beside_it(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    (tmp_path / "base.yaml").write_text("extends: street\nseed: 3")
    (tmp_path / "inner" / "own.yaml").write_text("extends: ../base.yaml\ndata: {val: 7}")
    for folder, name in ((tmp_path, "inner/own.yaml"), (tmp_path / "inner", "own.yaml")):
        monkeypatch.chdir(folder)
        preset = load_preset(name)
        assert (preset.seed, preset.data.val, preset.training.batch) == (3, 7, 1)


@pytest.mark.parametrize("text", ["5", "[street]", "{street: 1}", "true"])
def test_what_is_extended_must_be_a_name(tmp_path, text):
    (tmp_path / "own.yaml").write_text(f"extends: {text}")
    with pytest.raises(InputError, match="key 'extends': the name of a preset"):
        load_preset(str(tmp_path / "own.yaml"))


def test_presets_in_a_circle(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "own.yaml").write_text("extends: inner/other.yaml")
    (tmp_path / "inner" / "other.yaml").write_text("extends: ../own.yaml")
    with pytest.raises(InputError, match="in a circle"):
        load_preset(str(tmp_path / "own.yaml"))


@pytest.mark.parametrize("settings, message", [
    (["seed=1", "training.lr=1", "seed=1"], "--set seed=1: 'seed' is set twice, before in seed=1"),
    (["data.val=5", "data={train: 3}"], "--set data={train: 3}: 'data' is set twice, before in data.val=5"),
    (["data={train: 3}", "data.val=5"], "--set data.val=5: 'data' is set twice, before in data={train: 3}"),
    (["overrides.gan={lr: 1}", "overrides.gan.lr=2"], "'overrides.gan' is set twice")])
def test_a_setting_stands_once(settings, message):
    with pytest.raises(InputError) as error:
        load_preset("street", settings)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_settings_beside_each_other_and_over_the_defaults_of_a_command():
    preset = load_preset("street", ["data.val=5", "data.train=7", "seed=3"], ["seed=1", "data.val=1", "data.seed=2"])
    assert (preset.data.val, preset.data.train, preset.data.seed, preset.seed) == (5, 7, 2, 3)


def test_values_of_an_older_preset_under_their_present_keys():
    older = {"study": {"reference": "unet", "anchor": None}, "seed": 3}
    assert with_new_keys(older) == {"study": {"baseline": "unet", "anchor": None}, "seed": 3}
    assert older["study"]["reference"] == "unet" and with_new_keys({"study": None}) == {"study": None}
