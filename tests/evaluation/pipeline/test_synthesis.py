"""Synthesis: how many layouts go through a network at once, and too little memory for them."""

from types import SimpleNamespace

import pytest
import torch

from data.errors import InputError
from evaluation.pipeline import job as main_job
from evaluation.pipeline.synthesis import BATCH, batch_size
from presets.schema import DataConfig


@pytest.mark.parametrize("size, count", [
    ((32, 64), BATCH), ((192, 256), BATCH), ((256, 512), BATCH), ((384, 512), 5), ((512, 1024), 2), ((1024, 2048), 1),
    ((2048, 4096), 1)])
def test_a_batch_has_no_more_pixels_than_eight_layouts_of_256x512(size, count):
    assert batch_size(*size) == count


def test_too_little_memory_names_the_stage(monkeypatch):
    def full(job):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    job = SimpleNamespace(preset=SimpleNamespace(data=DataConfig(size=[1024, 2048])))
    monkeypatch.setattr(main_job.Job, "dataset", lambda job: None)
    monkeypatch.setattr(main_job.Job, "synthesize", full)
    with pytest.raises(InputError, match=r"stage synthesize: .* data.size=\[1024, 2048\]; .*--device cpu"):
        main_job.run_stages(job, ["synthesize"])
