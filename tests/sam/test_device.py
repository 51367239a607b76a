from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_samstar.sam import device as device_module
from napari_samstar.sam.device import choose_device, is_out_of_memory, run_batched
from napari_samstar.types import SamStarError


@pytest.fixture
def pretend_gpu(monkeypatch):
    """A computer whose GPU exists but is never touched: only `function` would use it."""
    monkeypatch.setattr(device_module, "available_devices", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(device_module, "_release", lambda device: None)


class Gpu:
    """Doubles numbers; has room for `room` of them at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.calls: list[tuple[str, int]] = []

    def __call__(self, batch, device):
        self.calls.append((device.type, len(batch)))
        if device.type == "cuda" and len(batch) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [2 * x for x in batch]


def test_auto_is_something_torch_can_use():
    assert torch.ones(2, device=choose_device("auto")).sum() == 2
    assert choose_device("cpu") == torch.device("cpu")


def test_an_absent_or_unknown_device_gets_a_sentence(monkeypatch):
    monkeypatch.setattr(device_module, "available_devices", lambda: ("cpu",))
    with pytest.raises(SamStarError, match=r"No NVIDIA GPU.*choose auto or cpu"):
        choose_device("cuda")
    with pytest.raises(SamStarError, match="No Apple GPU"):
        choose_device("mps")
    for wrong in ("gpu", "cuda:one", ""):
        with pytest.raises(SamStarError, match="not known: choose auto, cuda, mps or cpu"):
            choose_device(wrong)


def test_a_small_memory_halves_the_batch_and_keeps_it_small(pretend_gpu):
    gpu = Gpu(room=3)
    out = [x for part in run_batched(gpu, list(range(20)), 16, "cuda") for x in part]
    assert out == [2 * x for x in range(20)]
    assert [n for _, n in gpu.calls[:3]] == [16, 8, 4]
    assert all(where == "cuda" and n <= 3 for where, n in gpu.calls[3:])


def test_no_memory_at_all_moves_to_the_cpu_with_one_warning(pretend_gpu):
    gpu, told = Gpu(room=0), []
    out = [x for part in run_batched(gpu, list(range(40)), 8, "cuda", told.append) for x in part]
    assert out == [2 * x for x in range(40)]
    assert len(told) == 1
    assert "CPU" in told[0]
    tried = [n for where, n in gpu.calls if where == "cuda"]
    assert tried == [8, 4, 2, 1]
    with pytest.warns(UserWarning, match="runs on the CPU") as record:
        list(run_batched(Gpu(room=0), list(range(40)), 8, "cuda"))
    assert len(record) == 1


@given(n=st.integers(0, 50), batch=st.integers(1, 20), room=st.integers(0, 20))
def test_nothing_is_lost_or_done_twice(n, batch, room):
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(device_module, "available_devices", lambda: ("cuda", "cpu"))
        patch.setattr(device_module, "_release", lambda device: None)
        items = torch.arange(n)
        parts = list(run_batched(Gpu(room), items, batch, "cuda"))
    assert [int(x) for part in parts for x in part] == [2 * x for x in range(n)]


def test_other_errors_and_the_cpus_own_pass_through(pretend_gpu):
    def broken(batch, device):
        raise RuntimeError("shapes do not match")

    def full(batch, device):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: out of memory")

    with pytest.raises(RuntimeError, match="shapes"):
        list(run_batched(broken, [1], 1, "cuda"))
    with pytest.raises(RuntimeError, match="allocate"):
        list(run_batched(full, [1], 1, "cpu"))


@pytest.mark.parametrize(
    "text",
    ["MPS backend out of memory (MPS allocated: 9 GB)", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"],
)
def test_out_of_memory_is_known_by_its_words_too(text):
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(ValueError(text))
