"""The main job through its command line: the smoke preset end to end, a second call, stops, and bad input."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.methods import build_generator, method_spec
from data import DATASETS
from data.files import read_json
from evaluation.networks.extractors import EXTRACTORS
from evaluation.pipeline.call import make_preset
from evaluation.run import main, parser
from evaluation.run_directory import FLOOR, PHOTOS, RunDirectory
from evaluation.scoring import METRICS
from human_study.protocol.protocols import PROTOCOLS
from presets.schema import EXTRACTOR_KINDS, preset_names
from training.checkpoint import load

ROOT = Path(__file__).resolve().parents[2]


SMOKE = ("--preset", "smoke", "--device", "cpu")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> RunDirectory:
    """One complete run of the smoke preset, as a user would start it."""
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    done = subprocess.run([sys.executable, "-m", "evaluation.run", "--all", *SMOKE, "--out", folder], cwd=ROOT,
                          text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return RunDirectory.open(folder)


@pytest.fixture
def job(no_figures):
    """The main job in this process and one thread, which spares new processes their imports."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*args):
        assert main([*map(str, args), *SMOKE, "--executor", "local"]) == 0
    yield run
    signal.signal(signal.SIGTERM, handler)


def fails(capsys, *args) -> str:
    """The one line that bad input gets on stderr; the exit code is not 0."""
    with pytest.raises(SystemExit) as stopped:
        main([str(arg) for arg in args])
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    assert error.startswith("evaluation.run: error: ") and "\n" not in error and "Traceback" not in error
    return error


def test_every_method_has_an_image_of_every_layout(smoke):
    layouts = smoke.layouts()
    assert len(layouts) == 20
    assert [method.name for method in smoke.methods()] == read_json(smoke.path / "run.json")["config"]["methods"]
    for method in smoke.methods():
        assert method.images_seen == 64
        for layout in layouts:
            with Image.open(smoke.image_file(method.name, layout)) as image:
                assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 32))


def test_the_diversity_model_leaves_all_its_images(smoke):
    layout = smoke.layouts()[0]
    variants = [np.asarray(Image.open(smoke.variant_file("crn_diversity", layout, u))) for u in range(1, 5)]
    assert np.array_equal(variants[0], np.asarray(Image.open(smoke.image_file("crn_diversity", layout))))
    assert not np.array_equal(variants[0], variants[1])


def test_scores_stand_for_every_method_the_photographs_and_the_floor(smoke):
    rows = {score.method for score in smoke.scores("segmentation")}
    assert {PHOTOS, *(method.name for method in smoke.methods())} <= rows
    assert FLOOR in {score.method for score in smoke.scores("distances")}
    for score in smoke.scores():
        assert score.provenance
        for value in score.values:
            assert value.interval is not None or value.note, f"{score.metric} {value.name} is a bare number"


def test_study_and_report_are_there(smoke):
    assert (smoke.report / "index.html").stat().st_size > 10_000
    assert list((smoke.study / "crn2017-unlimited" / "public").rglob("*.csv"))


def test_a_second_call_repeats_no_work(smoke, job):
    def stamps():
        return {file: file.stat().st_mtime_ns for file in smoke.path.rglob("*") if file.is_file()
                if file.name != "run.json" and "tensorboard" not in file.parts}
    before = stamps()
    job("--all", "--out", smoke.path)
    assert stamps() == before


def test_what_was_deleted_is_made_again(smoke, job, tmp_path):
    folder = tmp_path / "smoke"
    shutil.copytree(smoke.path, folder)
    lost = ["report/index.html", "study/crn2017-unlimited/secret/spec.json", "scores/segmentation/crn.json",
            "methods/crn/images/00003.png", "methods/crn_diversity/variants/00003_2.png"]
    for name in lost:
        (folder / name).unlink()
    job("--all", "--out", folder)
    assert [name for name in lost if not (folder / name).exists()] == []
    for name in lost[2:]:
        assert (folder / name).read_bytes() == (smoke.path / name).read_bytes()


def test_a_method_can_be_added_to_a_run_and_own_images_scored(smoke, job, tmp_path):
    folder = tmp_path / "extended"
    shutil.copytree(smoke.path, folder)
    mine = tmp_path / "mine"
    shutil.copytree(smoke.dataset / "photos", mine)
    job("--stages", "train,synthesize,score,study,report", "--out", folder, "--methods", "crn,unet+image_space",
        "--images", f"mine={mine}")
    extended = RunDirectory.open(folder)
    names = [method.name for method in extended.methods()]
    assert "unet+image_space" in names and "mine" in names and "pix2pix" in names
    scores = {score.method: score.value("mIoU").value for score in extended.scores("segmentation")}
    assert scores["mine"] == scores[PHOTOS]

    batch = folder / "study" / "crn2017-unlimited" / "secret" / "assets.csv"
    shown = batch.read_bytes()
    shutil.copy(mine / "00001.png", mine / "00000.png")
    job("--stages", "study", "--out", folder, "--methods", "crn,unet+image_space")
    assert batch.read_bytes() == shown  # the run has its own copy
    job("--stages", "score,study", "--out", folder, "--methods", "crn,unet+image_space", "--images", f"mine={mine}")
    assert batch.read_bytes() != shown


@pytest.mark.parametrize("number, executor", [(signal.SIGINT, "processes"), (signal.SIGKILL, "local")])
def test_a_stopped_run_goes_on_to_the_same_images(smoke, job, tmp_path, number, executor):
    folder = tmp_path / "stopped"
    shutil.copytree(smoke.path / "dataset", folder / "dataset")
    shutil.copytree(smoke.path / "judges", folder / "judges")
    shutil.copy(smoke.path / "run.json", folder / "run.json")
    command = ["--stages", "train,synthesize", "--out", str(folder), "--methods", "pix2pix", "--set",
               "training.checkpoint_seconds=0", "training.samples_every=1"]  # the latter only to make it slower
    def heed_interrupts():  # which a shell's background job ignores, and the tests may run in one
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([sys.executable, "-m", "evaluation.run", *command, *SMOKE, "--executor", executor],
                               cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=heed_interrupts)
    checkpoint = folder / "methods" / "pix2pix" / "checkpoint.pt"
    for _ in range(1200):
        if checkpoint.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130, error
        assert "same command" in error and "Traceback" not in error
    assert 0 < load(checkpoint)["step"] < 32
    job(*command)
    for layout in smoke.layouts():
        name = f"{layout}.png"
        assert (folder / "methods/pix2pix/images" / name).read_bytes() == \
            (smoke.method_folder("pix2pix") / "images" / name).read_bytes()


@pytest.mark.parametrize("args, message", [
    (["--all", "--preset", "stret"], "unknown preset 'stret': did you mean 'street'?"),
    (["--all", "--methods", "crm"], "unknown method 'crm': did you mean 'crn'?"),
    (["--stages", "trian"], "unknown stage 'trian': did you mean 'train'?"),
    (["--all", "--set", "training.image_seen=5"], "unknown key 'training.image_seen': did you mean 'images_seen'?"),
    (["--all", "--set", "training.images_seen=many"], "key 'training.images_seen'"),
    (["--all", "--set", "training"], "expected key=value"),
    (["--all", "--set", "generators.crn.widhts=[1]"], "unknown key 'generators.crn.widhts': did you mean 'widths'?"),
    (["--all", "--set", "score.metrics=[fid]"], "unknown metric 'fid'"),
    (["--all", "--images", "mine"], "expected NAME=FOLDER"),
    (["--all", "--images", "mine=nowhere"], "nowhere: no such folder"),
    (["--all", "--images", "crn=."], "is a method of this preset"),
    (["--all", "--jobs", "0"], "--jobs 0: expected at least 1"),
    (["--all", "--jobs", "2", "--executor", "local"], "--jobs 2: needs --executor processes (CPU only)"),
    (["--all", "--seed", "-1"], "key 'seed'"),
    (["--all", "--methods", "crn,pix2pix,crn"], "'crn' is listed twice"),
    (["--all", "--set", "study.protocol=lap"], "unknown protocol 'lap'"),
    (["--all", "--preset", "smoke", "--set", "score.block=11"], "blocks of 11 of 20 layouts give no intervals"),
    (["--all", "--preset", "smoke", "--set", "data.val=5"], "distances need at least 8 layouts, there are 5"),
    ([], "nothing to do"),
    (["--all", "--preset", "nowhere/file.yaml"], "no such file (a preset)")])
def test_unknown_names_and_keys(capsys, tmp_path, args, message):
    assert message in fails(capsys, *args, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("make, message", [
    (lambda folder: folder / "missing", "missing"),
    (lambda folder: folder, "")])
def test_data_path_missing_or_empty(capsys, tmp_path, make, message):
    empty = tmp_path / "empty"
    empty.mkdir()
    error = fails(capsys, "--all", "--preset", "camvid", "--data", make(empty), "--out", tmp_path / "run")
    assert str(make(empty)) in error and message in error


def test_out_folder_of_another_configuration(capsys, smoke):
    error = fails(capsys, "--all", "--preset", "smoke", "--out", smoke.path, "--set", "training.images_seen=65")
    assert "training.images_seen was 64, now 65" in error and "--out" in error


def test_out_folder_of_something_else(capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("important")
    assert "not a run directory" in fails(capsys, "--all", "--preset", "smoke", "--out", tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "important"


def test_list_and_help_read_well(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    words = ("street", "camvid", "crn_diversity", "synthesize", *METRICS, *EXTRACTORS, *DATASETS,
             *PROTOCOLS, "spade on cityscapes", "torchscript", *preset_names())
    assert [word for word in words if f" {word} " not in f" {' '.join(listed.split())} "] == []
    assert set(EXTRACTOR_KINDS) == set(EXTRACTORS)  # listed without torch
    assert max(map(len, listed.splitlines())) <= 80
    text = parser().format_help()
    assert "--preset" in text and "Running the same command again" in text


def test_help_and_list_load_neither_torch_nor_tables():
    code = ("import sys; from evaluation.run import main, parser; parser().format_help(); main(['--list']); "
            "print([name for name in ('torch', 'pandas', 'scipy', 'matplotlib') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_run_json_holds_configuration_and_versions(smoke):
    content = json.loads((smoke.path / "run.json").read_text())
    assert content["config"]["training"]["images_seen"] == 64
    assert {"python", "torch", "torch_fidelity", "numpy", "pillow"} <= set(content["versions"])


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_its_methods_can_be_built(name):
    preset = make_preset(parser().parse_args(["--all", "--set", "seed=1", "training.batch=1"]), name)
    assert (preset.seed, preset.training.batch) == (1, 1)
    assert preset.study.baseline in preset.methods or not preset.methods  # of given pictures the first one is it
    for method in preset.methods:
        spec = method_spec(method, preset)
        with torch.device("meta"):
            build_generator(spec, classes=20, size=tuple(preset.data.size))
