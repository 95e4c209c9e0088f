"""Feature extractors and resize filters."""

import json
from itertools import combinations

import numpy as np
import pytest
import torch
import torch_fidelity
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from data.errors import InputError
from data.files import sha256, write_json
from data.labels import LabelSpace
from evaluation.cache.consumers import FeatureConsumer, image_maps
from evaluation.cache.measurements import ImageBatch
from evaluation.metrics import diversity, similarity
from evaluation.metrics.work import Context, Work
from evaluation.networks.extractors import EXTRACTORS, ExtractorKind, build_extractors
from evaluation.networks.features import FEATURES, LOGITS, Extractor
from evaluation.networks.judges import build_judge
from evaluation.networks.resize import FILTERS, resize
from evaluation.networks.transformers_models import preprocessing
from evaluation.run import main
from evaluation.scoring import check_files, check_options, score_run
from presets.schema import ExtractorConfig, JudgeConfig, Preset, ScoreConfig

LABELS = LabelSpace(["road", "traffic light", "car", "void"], [(i, i, i) for i in range(4)])
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
IMAGES = torch.randint(0, 256, (3, 3, 40, 56), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def build(kind, **options):
    return EXTRACTORS[kind].build(ExtractorConfig(kind=kind, **options), None, "cpu")


def test_filters_give_the_size_keep_constant_images_and_differ():
    names = [name for name in FILTERS if name != "none"]
    flat = torch.full((2, 3, 20, 30), 77, dtype=torch.uint8)
    for resized in (resize(flat, name, (13, 41)) for name in names):
        assert resized.shape == (2, 3, 13, 41) and resized.dtype == torch.float32
        assert torch.allclose(resized, torch.tensor(77.0), atol=1e-3)
    assert all((a - b).abs().mean() > 0.1 for a, b in combinations([resize(IMAGES, n, (15, 21)) for n in names], 2))


def test_pil_bicubic_is_pillows_on_float_channels_without_its_overshoot():
    edge = torch.zeros(1, 3, 40, 56, dtype=torch.uint8)
    edge[..., 20:] = 255
    for images, n, c in ((IMAGES, 1, 2), (edge, 0, 0)):
        plane = Image.fromarray(images[n, c].numpy().astype(np.float32)).resize((21, 15), Image.BICUBIC)
        assert (resize(images, "pil-bicubic", (15, 21))[n, c].numpy() == np.asarray(plane).clip(0, 255)).all()
    assert np.asarray(plane).min() < 0 and np.asarray(plane).max() > 255  # what clean-fid cuts off


def test_unknown_filter_and_missing_size():
    for call, message in ((lambda: resize(IMAGES, "pil-bicubik", (3, 3)), "did you mean 'pil-bicubic'"),
                          (lambda: resize(IMAGES, "pil-bicubic", None), "needs a size"),
                          (lambda: Extractor("x", lambda x: {}, {}, resize="bicubic"), "unknown resize filter")):
        with pytest.raises(InputError, match=message):
            call()


def test_key_changes_with_weights_resize_and_size():
    def key(**options):
        return Extractor("x", lambda x: {}, {"weights": options.pop("weights", "a")}, **options).key
    keys = {key(), key(weights="b"), key(resize="pil-bicubic", size=(9, 9)), key(resize="tf1-bilinear", size=(9, 9)),
            key(resize="pil-bicubic", size=(9, 8))}
    assert len(keys) == 5


@pytest.mark.parametrize("options, message", [
    ([{"kind": "inceptionv3"}], "did you mean 'inception'"), ([{}, {}], "'judge' appears twice"),
    ([{"resize": "none"}], "extractor judge: has no option 'resize'"),
    ([{"kind": "inception", "layer": "3"}], "extractor inception: has no option 'layer'"),
    ([{"kind": "transformers", "convention": "caffe"}], "extractor transformers: has no option 'convention'"),
    ([{"kind": "vgg19", "resize": "pil-bicubic"}], "needs a size"),
    ([{"kind": "vgg19", "resize": "none", "size": [8, 8]}], "takes no size")])
def test_configurations_that_make_no_sense_are_refused(options, message, tiny_judge, vgg_file):
    configs = [ExtractorConfig(**one | ({"path": str(vgg_file[0])} if one.get("kind") == "vgg19" else {}))
               for one in options]
    with pytest.raises(InputError, match=message):
        build_extractors(configs, tiny_judge, "cpu")
    with pytest.raises(InputError, match="gives no features"):
        build_extractors([ExtractorConfig()], None, "cpu")


@pytest.mark.parametrize("options, message", [
    ({"metrics": ["fid"]}, "unknown metric 'fid'"),
    ({"extractors": [{"kind": "inception", "resize": "bicubic"}]}, "unknown resize filter 'bicubic'"),
    ({"extractors": [{"kind": "squeezenet", "path": "nowhere.safetensors"}]}, "no weights file nowhere.safetensors"),
    ({"extractors": [{"kind": "transformers", "path": "nowhere"}]}, "nowhere is neither a folder nor a model"),
    ({"lpips": "nowhere"}, "nowhere is or holds none of"),
    ({"preferences": "nowhere.json"}, "nowhere.json: no such file"),
    ({"judge": {"source": "trained", "path": "judge.pt"}},
     "judge.path needs judge.source=huggingface|torchscript; it is trained"),
    ({"judge": {"source": "torchscript", "path": "nowhere.pt"}}, "needs judge.path, an exported network"),
    ({"judge": {"source": "torchscript", "size": [3, 4]}}, "judge.size needs judge.source=huggingface"),
    ({"judge": {"source": "huggingface", "path": "no/where/at/all"}}, "neither a folder nor a model"),
    ({"judge": {"kind": "huggingface"}}, "key 'judge.kind' is now called 'judge.source'"),
    ({"score": {"judge": {"kind": "huggingface"}}}, "key 'score.judge' is now called 'judge'"),
])
def test_what_cannot_be_scored_is_refused_before_anything_is_trained(options, message, capsys, tmp_path):
    for word, package in (("transformers", "transformers"), ("huggingface", "transformers"), ("lpips", "lpips")):
        if word in str(options):
            pytest.importorskip(package)
    values = {"extends": "smoke"} | (options if {"judge", "score"} & set(options) else {
        "score": {"extractors": [{"kind": "vgg16", "path": __file__}]} | options})
    (tmp_path / "preset.yaml").write_text(json.dumps(values))
    with pytest.raises(SystemExit):
        main(["--all", "--preset", str(tmp_path / "preset.yaml"), "--out", str(tmp_path / "run")])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_files_of_scores_need_not_be_there_where_only_training_is_done():
    options = Preset(score=ScoreConfig(preferences="nowhere.json"))
    check_options(options)
    with pytest.raises(InputError, match="nowhere.json: no such file"):
        check_files(options)


@pytest.mark.parametrize("kind", sorted(set(EXTRACTORS) - {"judge", "transformers"}))
def test_missing_weights_are_never_downloaded(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *a, **k: pytest.fail("a download was started"))
    with pytest.raises(InputError, match=f"extractor {kind}: needs weights"):
        build(kind)
    with pytest.raises(InputError, match="no weights file"):
        build(kind, path=str(tmp_path / "no.pth"))


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    """Inception's architecture with random weights: everything but the official numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *a, **k: {})
        torch.manual_seed(0)
        module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    file = tmp_path_factory.mktemp("weights") / "weights-inception-2015-12-05-6726825d.pth"
    torch.save(module.state_dict(), file)
    return file


def test_fid_needs_the_official_weights(inception_file):
    with pytest.raises(InputError, match="is not that of weights-inception-2015-12-05-6726825d.pth"):
        build("inception", path=str(inception_file))
    with pytest.raises(InputError, match="SHA-256 is"):
        build("inception", path=str(inception_file), sha256="0" * 64)


def test_inception_is_the_engines_bit_for_bit_and_other_resizes_bypass_its_own(inception_file):
    weights = {"path": str(inception_file), "sha256": sha256(inception_file)}
    extractor = build("inception", **weights)
    assert extractor.quantity("FD").name == f"FD-Inception-{sha256(inception_file)[:8]}"  # never FID on other weights
    engine = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"],
                                         feature_extractor_weights_path=str(inception_file))
    expected, found = engine(IMAGES[:1]), extractor(IMAGES[:1])
    assert torch.equal(found[FEATURES], expected[0]) and torch.equal(found[LOGITS], expected[1])
    clean = build("inception", resize="pil-bicubic", **weights)
    resized, of_clean = resize(IMAGES[:1], "pil-bicubic", (299, 299)), clean(IMAGES[:1])[FEATURES]
    rounded = engine(resized.round().clip(0, 255).to(torch.uint8))[0]
    assert not torch.equal(of_clean, found[FEATURES])
    assert torch.allclose(of_clean, rounded, rtol=0.1, atol=0.1 * rounded.abs().mean().item())
    clean.network.float_input = False
    assert torch.equal(clean.network(IMAGES[:1])[FEATURES], expected[0])  # the bypass leaves nothing behind
    assert clean.quantity("FD").name == f"FD-Inception-{sha256(inception_file)[:8]}-pil-bicubic"
    with pytest.raises(InputError, match="its input is 299x299"):
        build("inception", size=[64, 64], **weights)


def test_only_the_official_weights_behind_the_engines_resize_give_fid(inception_file, monkeypatch):
    monkeypatch.setattr("evaluation.networks.imagenet.INCEPTION_FILE", f"official-{sha256(inception_file)[:8]}.pth")
    names = [build("inception", path=str(inception_file), resize=resize).quantity("FD").name
             for resize in (None, "pil-bicubic")]
    assert names == ["FID", "FD-Inception-pil-bicubic"]


def test_a_pickle_that_holds_code_is_refused(tmp_path):
    file = tmp_path / "evil.pth"
    torch.save({"weights": print}, file)
    with pytest.raises(InputError, match="not a file of weights"):
        build("vgg16", path=str(file), sha256=sha256(file))


@pytest.fixture
def vgg_file(tmp_path):
    """VGG-19's first four convolutions with random weights, torchvision's keys."""
    generator = torch.Generator().manual_seed(1)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128)}
    weights = {}
    for i, (out, into) in shapes.items():
        weights[f"features.{i}.weight"] = torch.randn(out, into, 3, 3, generator=generator) * (2 / (9 * into)) ** 0.5
        weights[f"features.{i}.bias"] = torch.randn(out, generator=generator)
    save_file(weights, tmp_path / "vgg19.safetensors")
    return tmp_path / "vgg19.safetensors", weights


def test_vgg19_by_hand(vgg_file):
    file, w = vgg_file
    extractor = build("vgg19", path=str(file))
    assert extractor.provenance["layer"] == "features.7, mean over space"
    x = IMAGES.float() - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
    for i in (0, 2, 5, 7):
        if i == 5:
            x = nn.functional.max_pool2d(x, 2)
        x = nn.functional.conv2d(x, w[f"features.{i}.weight"], w[f"features.{i}.bias"], padding=1).relu()
    assert torch.allclose(extractor(IMAGES)[FEATURES], x.mean(dim=(2, 3)), rtol=1e-4, atol=1e-3)
    assert [m.shape[1] for m in extractor.map_list(IMAGES)] == [64, 128]
    assert build("vgg19", path=str(file), layer="2")(IMAGES)[FEATURES].shape == (3, 64)


def test_one_pass_gives_features_of_all_images_of_a_batch(vgg_file):
    extractor = build("vgg19", path=str(vgg_file[0]))
    batch = ImageBatch(["a"], np.zeros((1, 40, 56), np.uint8), IMAGES[:1], IMAGES[None])
    found = FeatureConsumer(extractor)(batch)["features"]
    assert found.shape == (1, 3, 128) and image_maps(batch, extractor) is image_maps(batch, extractor)
    assert np.allclose(found[0], extractor(IMAGES)[FEATURES].numpy(), rtol=1e-5, atol=1e-4)


def test_photographs_pass_an_extractor_once(vgg_file, tiny_run):
    passed = []
    work = Work(tiny_run, Context(options=ScoreConfig(
        extractors=[ExtractorConfig(kind="vgg19", path=str(vgg_file[0]), layer="0")])))
    extractor = work.extractors[0].extractor
    network = extractor.maps
    extractor.maps = lambda images: passed.append(len(images)) or network(images)
    rows = work.measurements.rows()
    work.measurements.collect(rows, [*diversity.METRIC.consumers(work), *similarity.METRIC.consumers(work)])
    assert sum(passed) == 12 * (1 + 1 + 3 + 1 + 1)
    assert not (tiny_run.path / "cache" / "similarity" / "photos.npz").exists()  # compared with themselves


def test_networks_see_images_in_full_float32(tiny_run, tiny_judge):
    """On a GPU cuDNN would compute in TF32 and say nothing of it."""
    allowed = []
    tiny_judge.body.register_forward_hook(lambda *_: allowed.append(torch.backends.cudnn.allow_tf32))
    build_extractors([ExtractorConfig()], tiny_judge, "cpu")[0](IMAGES)
    score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation"])
    assert len(allowed) > 1 and not any(allowed)
    assert torch.backends.cudnn.allow_tf32


def test_files_that_do_not_fit(vgg_file, tmp_path):
    file, weights = vgg_file
    save_file({"conv1": weights["features.0.bias"]}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    for kind, path, layer, message in (("vgg19", file, "4", "layer '4' is not in the file; it has 0, 2, 5, 7"),
                                       ("squeezenet", file, None, "weights do not fit"),
                                       ("vgg19", tmp_path / "other.safetensors", None, "key names are expected"),
                                       ("vgg19", tmp_path / "text.safetensors", None, "not a readable safetensors")):
        with pytest.raises(InputError, match=message):
            build(kind, path=str(path), layer=layer)


def test_squeezenet_sees_what_is_in_photographs(weights_folder, camvid_folder):
    """Real weights: two crops of one photograph are nearer than crops of two, and noise is far from both."""
    extractor = build("squeezenet", path=str(weights_folder / "squeezenet1_1_imagenet_caffe_features.safetensors"))
    files = sorted((camvid_folder / "val").iterdir())
    photos = [np.asarray(Image.open(file).convert("RGB").resize((256, 192))).transpose(2, 0, 1)
              for file in (files[0], files[len(files) // 2], files[-1])]
    crops = torch.from_numpy(np.stack([photo[:, y : y + 128, x : x + 160] for photo in photos
                                       for y, x in ((32, 40), (36, 46))]))
    features = extractor(crops)[FEATURES]
    distances = torch.cdist(features, features)
    noise = extractor(torch.randint(0, 256, (1, 3, 128, 160), dtype=torch.uint8))[FEATURES]
    assert features.shape == (6, 512)
    assert distances[[0, 2, 4], [1, 3, 5]].max() < distances[:2, 2:].min() < torch.cdist(noise, features).min()


def test_scores_of_a_run_are_the_engines_on_its_files(vgg_file, tiny_run, engine_name):
    config = ExtractorConfig(kind="vgg19", path=str(vgg_file[0]), layer="0", resize="pil-bicubic", size=[16, 16])
    score_run(tiny_run, Context(bootstrap=200, options=ScoreConfig(extractors=[config])), ["distances"])
    score = next(s for s in tiny_run.scores("distances") if s.method == "pix2pix")
    assert score.provenance["extractors"]["VGG19"]["resize"] == "pil-bicubic"
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tiny_run.method_folder("pix2pix") / "images"), input2=str(tiny_run.dataset / "photos"),
        feature_extractor=engine_name(build_extractors([config], None, "cpu")[0]), fid=True, kid=True,
        kid_subset_size=6, cuda=False, cache=False, verbose=False, save_cpu_ram=True)
    # 12 images span 11 of 64 dimensions: the engine's eigenvalues of a singular product are good to about 1e-4
    assert score.value("FD-VGG19").value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert score.value("KD-VGG19").value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3)


def test_inception_scores_of_a_run(tiny_run, monkeypatch):
    """On an extractor with logits the photographs have an Inception score of their own."""
    def network(images):
        return {FEATURES: images.mean(dim=3).flatten(1)[:, ::8], LOGITS: images.mean(dim=(2, 3)) / 1e6}
    monkeypatch.setitem(EXTRACTORS, "inception", ExtractorKind(lambda *_: Extractor("random", network, {})))
    options = ScoreConfig(extractors=[ExtractorConfig(kind="inception")])
    score_run(tiny_run, Context(bootstrap=200, options=options), ["distances"])
    scores = {score.method: score for score in tiny_run.scores()}
    names = {f"{n}-random" for n in ("FD", "KD", "precision", "recall", "density", "coverage", "IS")}
    assert {v.name for v in scores["crn"].values} == names | {"KD-random, own photograph left out"}
    assert [v.name for v in scores["photos"].values] == ["IS-random"]
    assert scores["photos"].values[0].value == pytest.approx(1, abs=0.01)  # random logits say nothing


def test_transformers_extractor(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28)
    torch.manual_seed(0)
    model = transformers.Dinov2Model(config).eval()
    model.half().save_pretrained(tmp_path)
    write_json(tmp_path / "preprocessor_config.json", IMAGENET | {"size": {"height": 28, "width": 28}})
    extractor = build("transformers", path=str(tmp_path), sha256=sha256(tmp_path / "model.safetensors"))
    assert extractor.quantity("FD").name == "FD-DINOv2" and extractor.resize == "pil-bicubic"
    x = resize(IMAGES, "pil-bicubic", (28, 28)) / 255 - torch.tensor(IMAGENET["image_mean"]).view(1, 3, 1, 1)
    expected = model.float()(pixel_values=x / torch.tensor(IMAGENET["image_std"]).view(1, 3, 1, 1)).pooler_output
    assert torch.allclose(extractor(IMAGES)[FEATURES], expected, atol=1e-5)
    assert not torch.allclose(expected[0], expected[1])
    with pytest.raises(InputError, match="SHA-256 is"):
        build("transformers", path=str(tmp_path), sha256="0" * 64)


def test_cmmd_has_its_plain_name_on_its_own_clip_alone(tmp_path, monkeypatch, tiny_run):
    """Tiny CLIP with random weights; the official shape is told by its numbers."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    transformers.CLIPModel(transformers.CLIPConfig(
        text_config=sizes | {"vocab_size": 20}, vision_config=sizes | {"image_size": 28, "patch_size": 14},
        projection_dim=8)).save_pretrained(tmp_path)
    write_json(tmp_path / "preprocessor_config.json", IMAGENET | {"size": {"height": 28, "width": 28}})
    config = ExtractorConfig(kind="transformers", path=str(tmp_path), resize="torch-bicubic")
    extractor = build_extractors([config], None, "cpu")[0]
    assert extractor.is_clip and extractor.quantity("CMMD").name == "CMMD-CLIP"
    assert extractor(IMAGES)[FEATURES].shape == (3, 8)
    score_run(tiny_run, Context(bootstrap=200, options=ScoreConfig(extractors=[config])), ["distances"])
    cmmd = tiny_run.scores("distances")[0].value("CMMD-CLIP")
    assert cmmd.value > 0 and cmmd.higher_is_better is False
    monkeypatch.setattr("evaluation.networks.transformers_models.CMMD_SIZE", (28, 28))
    monkeypatch.setattr("evaluation.networks.transformers_models._cmmd_network", lambda config: True)
    assert build_extractors([config], None, "cpu")[0].quantity("CMMD").name == "CMMD"
    other = build("transformers", path=str(tmp_path), resize="pil-bicubic")
    assert other.quantity("CMMD").name == "CMMD-CLIP"


def test_preprocessing_is_read_and_never_guessed(tmp_path):
    def read(given=None, **values):
        write_json(tmp_path / "preprocessor_config.json", IMAGENET | {"size": 32} | values)
        found = preprocessing(tmp_path, given)
        return found.size, found.std

    std = tuple(IMAGENET["image_std"])
    assert read() == ((32, 32), std)
    assert read([4, 6]) == ((4, 6), std)
    assert read(size={"shortest_edge": 256}, crop_size={"height": 24, "width": 30}) == ((24, 30), std)
    assert read(do_center_crop=False, crop_size=24) == ((32, 32), std)
    assert read(do_resize=False) == (None, std)
    assert read(do_normalize=False) == ((32, 32), (1, 1, 1))
    for values, message in (({"do_flip_channel_order": True}, "do_flip_channel_order: this suite"),
                            ({"do_pad": True}, "do_pad: this suite"), ({"do_rescale": False}, "do_rescale False"),
                            ({"rescale_factor": 1 / 127.5}, "rescale_factor"), ({"image_mean": None}, "image_mean"),
                            ({"size": {"shortest_edge": 32}}, "is not a height and a width; set `size`")):
        with pytest.raises(InputError, match=message):
            read(**values)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="no such file; it describes the model's input"):
        preprocessing(tmp_path)


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package transformers: pip install"):
        build_judge(JudgeConfig(source="huggingface", path=str(tmp_path)), LABELS)
    with pytest.raises(InputError, match="needs the package transformers"):
        build("transformers", path=str(tmp_path))
