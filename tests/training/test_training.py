"""The harness: budgets, order of the data, stopping and going on, logs, refusals."""

import csv
import errno
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from baselines.methods import OBJECTIVES, method_spec
from data.errors import InputError, one_line_errors
from models.layers import DilatedConv2d
from models.perceptual import tensor_hashes
from presets.schema import Preset
from tests.training.noise import NAMES, Killed, Noise, preset, suite
from training import batches, checkpoint, fabric, harness
from training import suite as suite_module
from training.batches import ShuffledBatches
from training.fabric import forked_devices
from training.harness import CHECKPOINT, Interrupted, is_complete, steps_of, to_uint8
from training.logs import TrainingLog
from training.suite import Suite, load_generator

HERE = Path(__file__).resolve().parent


def weights(folder, name) -> dict[str, torch.Tensor]:
    saved = checkpoint.load(folder / "methods" / name / CHECKPOINT)
    state = {f"generator.{k}": v for k, v in saved["generator"].items()}
    return state | {f"objective.{k}": v for k, v in saved["objective"].items()} | {"rng": saved["rng"]["torch"]}


def logged(folder, name) -> list[list[str]]:
    """Rows of the log, but for the seconds; empty without one."""
    file = folder / "methods" / name / "log.csv"
    rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines())) if file.exists() else []
    if not rows:
        return rows
    seconds = rows[0].index("seconds")
    return [row[:seconds] + row[seconds + 1:] for row in rows]


@pytest.mark.parametrize("name", ["crn", "crn_diversity", "pix2pix", "gan_segmentation"])
def test_a_killed_run_goes_on_and_ends_bit_identical(tmp_path, name):
    suite(tmp_path / "whole").train_method(name)
    whole = weights(tmp_path / "whole", name)
    for kill_at in (3, 15):  # before and after the lambdas are calibrated, in epochs 1 and 2
        folder = tmp_path / f"killed{kill_at}"
        killed = suite(folder)
        killed.loss_networks(name)  # trained before the counting starts
        killed.train.read, killed.train.kill_at = 0, kill_at
        with pytest.raises(Killed):
            killed.train_method(name)
        torch.manual_seed(12345)  # another process has another random state
        assert suite(folder).train_method(name)["images_seen"] == 24
        resumed = weights(folder, name)
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
        assert logged(tmp_path / "whole", name) == logged(folder, name)


def test_images_are_made_with_averaged_weights_and_a_killed_run_goes_on_with_both(tmp_path):
    suite(tmp_path / "plain").train_method("gan_segmentation")
    suite(tmp_path / "whole", average=0.9).train_method("gan_segmentation")
    killed = suite(tmp_path / "killed", average=0.9)
    killed.loss_networks("gan_segmentation")
    killed.train.read, killed.train.kill_at = 0, 15
    with pytest.raises(Killed):
        killed.train_method("gan_segmentation")
    suite(tmp_path / "killed", average=0.9).train_method("gan_segmentation")
    plain, whole, resumed = (checkpoint.load(tmp_path / name / "methods" / "gan_segmentation" / CHECKPOINT)
                             for name in ("plain", "whole", "killed"))
    for key, value in whole["generator"].items():
        assert torch.equal(whole["learning"][key], plain["generator"][key])  # averaging changes nothing in training
        assert torch.equal(value, resumed["generator"][key])
    assert any(not torch.equal(whole["learning"][key], value) for key, value in whole["generator"].items())


def test_the_average_forgets_the_start_and_then_decays():
    network = torch.nn.Linear(1, 1, bias=False)
    average, expected = harness.averaged(network, 0.5), None
    for step, weight in enumerate([5.0, 1.0, 1.0, 3.0]):
        torch.nn.init.constant_(network.weight, weight)
        average.update_parameters(network)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = weight if expected is None else decay * expected + (1 - decay) * weight
    assert average.module.weight.item() == pytest.approx(expected)


def test_a_signal_saves_the_state_between_two_steps(tmp_path):
    stopped = suite(tmp_path, checkpoint_seconds=1000.0)
    stopped.loss_networks("image_space")
    stopped.train.signal_at = stopped.train.read + 7
    with pytest.raises(Interrupted):
        stopped.train_method("image_space")
    saved = checkpoint.load(tmp_path / "methods" / "image_space" / CHECKPOINT)
    assert 0 < saved["step"] < 12
    with pytest.raises(InputError, match="training stopped at step"):
        load_generator(tmp_path / "methods" / "image_space")
    assert suite(tmp_path).train_method("image_space")["images_seen"] == 24


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signals")
def test_a_lost_terminal_and_a_warning_of_the_time_limit_save_the_state(tmp_path):
    """A real process, which goes on with the training after the first signal."""
    script = ("import sys; sys.path.append(sys.argv[1]); import noise; from training.harness import Interrupted\n"
              "for _ in range(2):\n"
              "    suite = noise.suite(sys.argv[2], images_seen=10**6, checkpoint_seconds=1e9)\n"
              "    try: suite.train_method('image_space')\n"
              "    except Interrupted as stopped: print(stopped, flush=True)\n")
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(HERE), str(tmp_path)], cwd=HERE.parents[1], stdout=subprocess.PIPE,
        text=True, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # also under nohup
    limit = threading.Timer(120, process.kill)  # reading a line then ends, too
    limit.start()
    try:
        file, last = tmp_path / "methods" / "image_space" / CHECKPOINT, 0
        for number in (signal.SIGHUP, signal.SIGUSR1):
            while len(logged(tmp_path, "image_space")) < 10 + last // 2 and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(number)
            line = process.stdout.readline()
            assert (saved := checkpoint.load(file)["step"]) > last
            assert line == f"Image-space loss: step {saved} of 500000 is saved in {file}\n"
            last = saved
        assert process.wait(60) == 0
    finally:
        limit.cancel()
        process.kill()
        process.wait()


def test_a_full_disk_while_stopping_is_not_reported_as_saved(tmp_path, monkeypatch):
    stopped = suite(tmp_path, checkpoint_seconds=1000.0)
    stopped.loss_networks("image_space")
    stopped.train.signal_at = stopped.train.read + 7

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(torch, "save", full)
    monkeypatch.setattr(SummaryWriter, "close", full)
    with pytest.raises(OSError) as error:
        stopped.train_method("image_space")
    assert error.value.filename == str(tmp_path / "methods" / "image_space" / CHECKPOINT)


def test_finished_training_is_neither_repeated_nor_read_whole(tmp_path, monkeypatch):
    suite(tmp_path).train_method("image_space")
    folder, mapped, load = tmp_path / "methods" / "image_space", [], torch.load
    before = (folder / CHECKPOINT).stat().st_mtime_ns
    monkeypatch.setattr(torch, "load", lambda file, **how: mapped.append(how["mmap"]) or load(file, **how))
    # settings that do not shape the result may change
    suite(tmp_path, Noise(kill_at=1), checkpoint_seconds=7.0, log_every=3).train_method("image_space")
    assert is_complete(folder) and (folder / CHECKPOINT).stat().st_mtime_ns == before
    assert mapped and all(mapped)
    with pytest.raises(InputError, match="made with other settings"):
        suite(tmp_path, lr=0.5).train_method("image_space")


def test_a_checkpoint_is_enough_to_synthesize(tmp_path):
    suite(tmp_path).train_method("crn_diversity")
    generator, described = load_generator(tmp_path / "methods" / "crn_diversity")
    assert described["labels"]["names"] == NAMES and described["images"] == 2
    assert generator(torch.zeros(1, 4, 16, 32)).shape == (1, 2, 3, 16, 32)


def test_the_image_that_was_the_best_most_often_comes_first(tmp_path):
    suite(tmp_path).train_method("crn_diversity")
    file = tmp_path / "methods" / "crn_diversity" / CHECKPOINT
    saved = checkpoint.load(file)
    assert saved["objective"]["wins"].sum() > 0
    for wins, order in (([0.1, 0.3], [1, 0]), ([0.3, 0.1], [0, 1])):
        saved["objective"]["wins"] = torch.tensor(wins)
        checkpoint.save(file, saved)
        assert load_generator(tmp_path / "methods" / "crn_diversity")[1]["order"] == order


def test_a_loss_that_is_not_finite_stops_training(tmp_path):
    with pytest.raises(InputError, match=r"loss term 'total' is (inf|nan) at step \d+; .*lower training.lr"):
        suite(tmp_path, lr=1e30, images_seen=200).train_method("image_space")


@pytest.mark.parametrize("broken", [4, 12])  # in the middle, and at the last step
def test_a_broken_gradient_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, broken):
    """The loss of that step is finite, the weights after it are not."""
    gradients = []

    def spoil(gradient):
        gradients.append(gradient)
        return gradient * torch.nan if len(gradients) == broken else gradient

    def build(made, spec, original=Suite.build):
        method = original(made, spec)
        method.generator.to_images.bias.register_hook(spoil)
        return method
    monkeypatch.setattr(Suite, "build", build)
    message = rf"generator.to_images.bias is not finite after step {broken}; the last good checkpoint is kept"
    with pytest.raises(InputError, match=message):
        suite(tmp_path).train_method("image_space")
    saved = checkpoint.load(tmp_path / "methods" / "image_space" / CHECKPOINT)
    assert saved["step"] == broken - 1
    assert all(value.isfinite().all() for value in saved["generator"].values())


@pytest.mark.parametrize(("error", "advice"), [
    (torch.OutOfMemoryError("CUDA out of memory."), "too small for a batch of 2 .*activation_checkpointing=true"),
    (MemoryError(), "the machine's memory is too small; .*--jobs")])
def test_too_little_memory_is_one_line_with_advice(tmp_path, monkeypatch, error, advice):
    def full(*_, **__):
        raise error
    monkeypatch.setattr(torch.optim, "Adam", full)
    with pytest.raises(InputError, match=advice):
        suite(tmp_path).train_method("image_space")


def stopped_at_step_3(folder) -> Suite:
    made = suite(folder, Noise(kill_at=8), precision="auto")
    with pytest.raises(Killed):
        made.train_method("image_space")
    return suite(folder, precision="auto")


def test_training_does_not_go_on_in_another_precision(tmp_path, monkeypatch):
    goes_on = stopped_at_step_3(tmp_path)
    with monkeypatch.context() as on_another_device:
        on_another_device.setattr(suite_module, "choose_precision", lambda *_: ("bf16", "auto"))
        with pytest.raises(InputError, match="begun in float32 on cpu, but here, on cpu, .*=auto means bf16"):
            goes_on.train_method("image_space")
    assert suite(tmp_path, precision="auto").train_method("image_space")["precision"] == "float32"
    monkeypatch.setattr(suite_module, "choose_precision", lambda *_: ("bf16", "auto"))
    done = suite(tmp_path, precision="auto").train_method("image_space")  # finished: nothing goes on
    assert done["precision"] == "float32" and done["notes"] == []


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bf16_on_gpus_that_have_it_and_float32_on_every_cpu(monkeypatch, native):
    monkeypatch.setattr(fabric, "native_bf16", lambda: native)
    assert fabric.choose_precision("auto", "cpu") == (
        "float32", "auto on every CPU, so that numbers do not depend on its kind")
    assert fabric.choose_precision("auto", "cuda")[0] == ("bf16" if native else "float32")
    assert fabric.choose_precision("bf16", "cpu") == ("bf16", "training.precision=bf16")


@pytest.mark.parametrize("width", [16, 18, 40])
def test_dilated_convolutions_in_bf16_have_the_gradients_of_float32(width):
    """On AVX512 without AMX (ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16) nn.Conv2d ends the process here, or gives NaN."""
    def gradients(bf16):
        torch.manual_seed(0)
        conv = DilatedConv2d(width, width, 8).to(memory_format=torch.channels_last)
        x = torch.randn(2, width, 32, 64).to(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            y = conv(x)
        (y.float() * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        return x.grad, conv.weight.grad

    for exact, rounded in zip(gradients(False), gradients(True), strict=True):
        assert (exact - rounded).norm() < 0.01 * exact.norm()


def test_a_network_of_one_process_stays_on_the_cpu_where_there_is_a_gpu(monkeypatch):
    from lightning_fabric.accelerators import CUDAAccelerator
    monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: True))
    assert fabric.solo_fabric("cpu", "float32").to_device(torch.zeros(1)).device.type == "cpu"


def test_only_the_process_s_own_gpu_is_asked_for_its_random_state(monkeypatch):
    asked, given, state = [], [], torch.get_rng_state()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: asked.append(device) or state)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda value, device: given.append((value, device)))
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 1)
    assert checkpoint.rng_state(cpu)["cuda"] is None and asked == []
    checkpoint.restore_rng(checkpoint.rng_state(gpu), cpu)
    assert asked == [gpu] and given == []
    checkpoint.restore_rng(checkpoint.rng_state(cpu) | {"cuda": state}, gpu)
    assert given == [(state, gpu)]
    assert forked_devices(SimpleNamespace(device=gpu)) == [gpu] and forked_devices(SimpleNamespace(device=cpu)) == []


class Broken(Noise):
    def __getitem__(self, index):
        raise InputError("photo.png: broken or truncated image (one line)")


def test_bad_input_found_by_a_data_loading_process_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"^photo.png: broken or truncated image \(one line\)$"):
        suite(tmp_path, Broken(), workers=1).train_method("image_space")


@pytest.mark.parametrize(("error", "message"), [
    ("DataLoader worker (pid 7) is killed by signal: Killed. \nmore",
     r"a data loading process was lost, .* set training.workers lower \(now 2\)$"),
    ("DataLoader timed out after 600 seconds", "no batch could be read within 600 s")])
def test_a_lost_data_loading_process_and_a_batch_that_never_comes_are_one_line(error, message):
    with pytest.raises(InputError, match=message), batches.plain_worker_errors(2):
        raise RuntimeError(error)


def test_what_a_process_left_that_was_killed_while_saving_goes(tmp_path):
    folder = tmp_path / "methods" / "image_space"
    folder.mkdir(parents=True)
    (folder / f".{CHECKPOINT}.abc.part").write_bytes(b"half a checkpoint")
    (folder / ".notes.abc.part").write_text("somebody else's")
    suite(tmp_path).train_method("image_space")
    assert [file.name for file in folder.glob(".*")] == [".notes.abc.part"]


def test_a_full_disk_is_an_error_of_the_system_and_keeps_the_last_checkpoint(tmp_path, monkeypatch, capsys):
    """torch's own writer raises this on a full disk."""
    file = tmp_path / CHECKPOINT
    checkpoint.save(file, content := dict.fromkeys(checkpoint.KEYS, 1) | {"generator": {}})

    def full(content, path):
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 640 vs 598")
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(SystemExit), one_line_errors("train"):
        checkpoint.save(file, {"step": 2})
    assert f"train: error: no space left on the disk while writing {file}" in capsys.readouterr().err
    assert checkpoint.load(file) == content and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("mapped", [True, False])
def test_a_checkpoint_of_which_a_part_was_copied_is_one_line(tmp_path, share, mapped):
    file = tmp_path / CHECKPOINT
    checkpoint.save(file, dict.fromkeys(checkpoint.KEYS, torch.zeros(20000)))
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=f"{file}: not a readable checkpoint .*copied in part") as error:
        checkpoint.load(file, mapped)
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_right_length_and_wrong_weights_is_refused(tmp_path):
    content = dict.fromkeys(checkpoint.KEYS, 1) | {"generator": {"weight": torch.ones(1000)}}
    checkpoint.save(file := tmp_path / CHECKPOINT, content)
    largest = max((i for i in zipfile.ZipFile(file).infolist()), key=lambda i: i.file_size)
    whole = bytearray(file.read_bytes())
    name, extra = struct.unpack("<HH", whole[largest.header_offset + 26 : largest.header_offset + 30])
    whole[largest.header_offset + 30 + name + extra + 403] |= 0x7F  # an exponent of all ones
    file.write_bytes(whole)
    assert not torch.load(file)["generator"]["weight"].isfinite().all()  # torch takes it
    with pytest.raises(InputError, match=f"{file}: not a readable checkpoint .*damaged"):
        checkpoint.load(file)


@pytest.mark.parametrize(("content", "message"), [
    (dict.fromkeys(checkpoint.KEYS, 1) | {"generator": {"weight": torch.tensor([1.0, torch.nan])}},
     "weight 'weight' is not finite"),
    ({"weight": torch.zeros(3)}, "not a checkpoint of this suite"), ([1, 2], "not a checkpoint of this suite")])
def test_weights_that_are_not_finite_and_other_tensors_are_refused(tmp_path, content, message):
    torch.save(content, file := tmp_path / CHECKPOINT)
    with pytest.raises(InputError, match=f"{file}: {message}"):
        checkpoint.load(file)


def test_sample_pictures_and_logs_are_written(tmp_path):
    suite(tmp_path).train_method("pix2pix")
    folder = tmp_path / "methods" / "pix2pix"
    assert [file.name for file in sorted((folder / "samples").iterdir())] == ["step_0000005.png", "step_0000010.png"]
    rows = logged(tmp_path, "pix2pix")
    assert rows[0] == ["step", "images", "total", "gan", "l1", "adversary real", "adversary fake"]
    assert [row[:2] for row in rows[1:]] == [[str(s), str(2 * s)] for s in range(2, 13, 2)]
    assert any((folder / "tensorboard").iterdir())


def test_batches_cover_every_item_once_per_epoch_and_go_on_anywhere():
    whole = [i for batch in ShuffledBatches(7, 3, seed=1, first=0, last=14) for i in batch]
    for epoch in range(6):
        assert sorted(whole[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert whole[:7] != whole[7:14]
    later = [i for batch in ShuffledBatches(7, 3, seed=1, first=5, last=14) for i in batch]
    assert later == whole[15:]
    assert whole != [i for batch in ShuffledBatches(7, 3, seed=2, first=0, last=14) for i in batch]


def test_ranks_share_every_batch():
    whole = list(ShuffledBatches(9, 4, seed=0, first=0, last=5))
    ranks = [list(ShuffledBatches(9, 4, seed=0, first=0, last=5, rank=r, world=2)) for r in range(2)]
    assert [sorted(a + b) for a, b in zip(*ranks, strict=True)] == [sorted(batch) for batch in whole]


def test_budgets_are_stated_in_images():
    assert steps_of(preset(images_seen=25, batch=4).training) == 7


def test_pictures_are_clipped_and_rounded():
    assert to_uint8(torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0])).tolist() == [0, 0, 128, 255, 255]


def test_networks_of_losses_and_the_judge_share_nothing(tmp_path):
    made = suite(tmp_path)
    made.preset.judge.images_seen = 8
    hashes = [tensor_hashes(network) for network in (made.judge, made.perceptual, made.segmenter)]
    assert all(hashes) and len(set.union(*hashes)) == sum(map(len, hashes))


def test_settings_come_from_the_preset_the_objective_then_the_overrides(tmp_path):
    made = suite(tmp_path, lr=0.5)
    made.preset = Preset.model_validate({**made.preset.model_dump(), "overrides": {"gan": {"lr": 0.2},
                                                                                   "crn+gan": {"lr": 0.1}}})
    def lr_of(name):
        spec = method_spec(name, made.preset)
        return made.training_config(spec, OBJECTIVES[spec.objective].optimiser)
    assert lr_of("crn").lr == 0.5
    assert (lr_of("gan_segmentation").lr, lr_of("gan_segmentation").betas) == (2e-4, [0.5, 0.999])
    assert (lr_of("pix2pix").lr, lr_of("pix2pix").betas) == (0.2, [0.5, 0.999])
    assert lr_of("crn+gan").lr == 0.1


@pytest.mark.parametrize(("own", "rate"), [({}, 1e-3), ({"adversary_lr": 1e-4}, 1e-4)])
def test_an_adversary_has_its_own_learning_rate_or_the_generator_s(tmp_path, own, rate):
    made = suite(tmp_path, images_seen=2)  # one step
    made.preset = Preset.model_validate({**made.preset.model_dump(), "overrides": {"gan": {"lr": 1e-3, **own}}})
    before = made.build(method_spec("pix2pix", made.preset)).objective.state_dict()
    before = {key: value.clone() for key, value in before.items()}
    made.train_method("pix2pix")
    after = weights(tmp_path, "pix2pix")
    moved = max(float((after[f"objective.{key}"] - value).abs().max()) for key, value in before.items())
    assert moved == pytest.approx(rate, rel=1e-2)  # Adam's first step
    optimiser = checkpoint.load(tmp_path / "methods" / "pix2pix" / CHECKPOINT)["optimiser"]
    assert optimiser["param_groups"][0]["lr"] == 1e-3


def test_batches_are_loaded_in_this_process_without_shared_memory_and_by_no_more_than_the_cores(monkeypatch):
    found = []
    monkeypatch.setattr(batches, "DataLoader", lambda *_, num_workers, **__: found.append(num_workers))
    for shared, cores in ((True, 16), (True, 3), (False, 16)):
        monkeypatch.setattr(batches, "has_shared_memory", lambda shared=shared: shared)
        monkeypatch.setattr(batches, "available_cores", lambda cores=cores: cores)
        batches.loader(Noise(), None, 8, False)
    assert found == [8, 3, 0]


def test_a_folder_whose_name_is_not_utf8_has_a_log(tmp_path, capfdbinary):
    folder = tmp_path / os.fsdecode(b"fa\xe7ade")
    folder.mkdir()
    with one_line_errors("program"):
        log = TrainingLog(folder, 0)
        log.add(1, 4, 1.0, {"total": 0.5})
        log.close()
    assert (folder / "log.csv").read_text(encoding="utf-8").splitlines()[1] == "1,4,1.00,0.5"
    assert [file.name for file in folder.iterdir()] == ["log.csv"]
