"""How many cores a job may use, and maps over processes."""

import multiprocessing.synchronize
import os

import pytest

from data import processes
from data.errors import InputError
from data.processes import CHUNK, available_cores, limit_cores, map_in_processes


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node of 64 cores, all of them allowed, without a CPU quota: (list of cgroups, their root)."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(processes, "CGROUP_LIST", tmp_path / "cgroup")
    monkeypatch.setattr(processes, "CGROUP_ROOT", tmp_path / "fs")
    monkeypatch.setattr(processes, "_limit", float("inf"))
    return tmp_path / "cgroup", tmp_path / "fs"


def test_cores_of_the_affinity_mask_and_the_limit(node, monkeypatch):
    assert available_cores() == 64
    limit_cores(8)
    assert available_cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1})
    assert available_cores() == 1
    limit_cores(None)
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS
    assert available_cores() == 64


@pytest.mark.parametrize(("groups", "files", "cores"), [
    ("0::/job/step\n", {"job/cpu.max": "250000 100000\n", "job/step/cpu.max": "max 100000\n"}, 2),
    ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
    ("0::/host/docker/3f\n", {"cpu.max": "400000 100000\n"}, 4),  # the path is the host's
    ("4:cpu,cpuacct:/job\n3:cpuset:/\n", {"cpu,cpuacct/job/cpu.cfs_quota_us": "300000\n",
                                          "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}, 3),
    ("1:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
    ("0::/\n", {"cpu.max": "nonsense\n"}, 64),
])
def test_cpu_quota_of_the_cgroup(node, groups, files, cores):
    node[0].write_text(groups)
    for name, text in files.items():
        (node[1] / name).parent.mkdir(parents=True, exist_ok=True)
        (node[1] / name).write_text(text)
    assert available_cores() == cores


def test_a_map_uses_as_many_processes_as_there_are_cores_and_no_more_than_it_has_work_for(node, monkeypatch):
    asked = []

    class Pool:
        def __init__(self, count, *_, **__):
            asked.append(count)

        def map(self, function, items, chunksize):
            return map(function, items)

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Pool)
    for count, most in ((64, None), (5 * CHUNK, None), (64 * CHUNK, None), (64 * CHUNK, 3)):
        limit_cores(most)
        assert list(map_in_processes(abs, range(count))) == list(range(count))
    assert asked == [4, 5, 16, 3]


def end(item):
    os._exit(1)


def test_a_process_that_the_system_ends_is_one_line():
    with pytest.raises(InputError, match="one of 2 processes was ended by the system"):
        list(map_in_processes(end, range(40), 2))


def test_without_shared_memory_the_work_is_done_in_this_process(node, monkeypatch):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", read_only)
    assert list(map_in_processes(abs, [-1] * 40)) == [1] * 40
