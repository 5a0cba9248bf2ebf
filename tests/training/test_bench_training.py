"""The comparison of training loops, on a tiny model: both steps run, and the numbers are what they say."""

import pytest
import tiny_models
import torch

from experiments.data import dataset
from experiments.training import bench


def test_both_loops_run_and_are_timed(tiny_parts, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path))
    monkeypatch.setattr(dataset, "CHUNK", 8)
    monkeypatch.setattr(bench, "SCENES", 8)
    monkeypatch.setattr(bench, "RECIPES", {"mini-sd1.5": tiny_models.row("mini-sd1.5")})
    monkeypatch.setattr(bench, "peak", lambda device: 1e9)
    found = bench.throughput(batch=2, steps=1, weights=tiny_parts)
    assert found.plain > 0 and found.ours > 0 and found.operations > 0
    assert found.share == pytest.approx(found.operations / found.ours / 1e9)


def test_the_peak_is_that_of_a_product(monkeypatch):
    monkeypatch.setattr(bench, "_fastest", lambda step, steps: 0.5)
    assert bench.peak(torch.device("cpu"), side=10) == 2 * 1000 / 0.5
