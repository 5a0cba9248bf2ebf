"""The batch is the largest power of two that fits."""

import pytest

from experiments.sampling import fit


@pytest.mark.parametrize(
    ("free", "base", "each", "n"), [(100, 20, 10, 8), (99, 20, 10, 4), (10, 20, 10, 1), (1e9, 0, 1, 32), (40, 20, 10, 2)]
)
def test_largest(free, base, each, n):
    assert fit.largest(free, base, each) == n


def test_small_pictures_go_in_larger_batches():
    assert fit.on_cpu(64**2) == 16 >= fit.on_cpu(4096**2) >= 1
    assert fit.decoded(1024**2) == 4 and fit.decoded(8192**2) == 1


def test_on_a_gpu_two_attempts_give_a_line(monkeypatch):
    """Peaks of 30 and 34 GB with 80 free: 26 for the model, 4 for each picture, 85% of 80 is 68: eight."""
    import torch

    peaks = iter([30e9, 34e9])
    quiet = dict(empty_cache=lambda: None, reset_peak_memory_stats=lambda device: None, memory_reserved=lambda device: 40e9)
    for name, value in quiet.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: next(peaks))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40e9, 80e9))
    tried = []
    assert fit.on_gpu(tried.append, torch.device("cuda")) == 8 and tried == [1, 2]


def test_two_pictures_that_do_not_fit_leave_one(monkeypatch):
    import torch

    def attempt(n):
        if n == 2:
            raise torch.cuda.OutOfMemoryError

    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1)
    assert fit.on_gpu(attempt, torch.device("cuda")) == 1
