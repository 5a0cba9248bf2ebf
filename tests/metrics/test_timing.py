"""Timing at real size, proved on shrunk pipelines: every system runs from words to pixels, and a killed run goes on."""

import json

import hub_layout
import pytest
import torch

from experiments.metrics import timing
from experiments.models import systems

CALL = dict(num_inference_steps=1, height=64, width=64, max_sequence_length=16, prior_num_inference_steps=2)


def tiny(system, part):
    return hub_layout.component(system, part).float().eval()


TINY = timing.Setting(torch.device("cpu"), torch.float32, tiny, CALL)


@pytest.mark.parametrize("name", [row.name for row in systems.ROWS])
def test_the_pipeline_of_every_system_draws_from_its_card(name):
    system = systems.find(name)
    assert timing.draw(timing._pipeline(system, TINY), system, 2, TINY).shape == (2, 3, 64, 64)


@pytest.fixture
def counted(monkeypatch):
    """Pieces that cost nothing: seconds of a picture by way and batch; None is out of memory."""
    asked = []
    seconds = {("eager", 1): 4.0, ("eager", 2): 3.0, ("eager", 4): 2.99, ("compiled", 1): 2.0, ("compiled", 4): 1.5}

    def piece(pipeline, system, way, batch, setting):
        asked.append((way, batch))
        return {"seconds": seconds.get((way, batch)), "why": "out of memory", "tflops": 100.0, "peak_gib": 9.0}

    monkeypatch.setattr(timing, "_piece", piece)
    monkeypatch.setattr(timing, "_pipeline", lambda *a: object())
    monkeypatch.setattr(timing, "peak", lambda device: 400.0)
    return asked


def test_batches_grow_while_a_picture_becomes_cheaper_and_nothing_is_measured_twice(counted, tmp_path):
    assert timing.measure("sd1.5", setting=TINY, folder=tmp_path)
    assert counted == [("eager", 1), ("eager", 2), ("eager", 4)]
    assert timing.measure("sd1.5", setting=TINY, folder=tmp_path) and len(counted) == 3
    kept = json.loads((tmp_path / "processor.json").read_text())
    assert kept["systems"]["sd1.5"]["pieces"]["eager 2"]["seconds"] == 3.0
    assert timing.records(tmp_path) == [], "what was shrunk is no result"


def test_a_run_stops_in_time_and_goes_on(counted, tmp_path):
    said = []
    timing.measure("sd1.5", setting=TINY, folder=tmp_path, minutes=0.2, tell=said.append)
    assert counted == [("eager", 1)] and "goes on from there" in said[-1]
    assert timing.measure("sd1.5", setting=TINY, folder=tmp_path)
    assert counted == [("eager", 1), ("eager", 2), ("eager", 4)]


def test_a_gpu_is_also_timed_compiled_alone_and_at_the_best_batch(counted):
    pieces = {}
    for way, batch in timing._wanted(pieces, torch.device("cuda")):
        pieces[f"{way} {batch}"] = timing._piece(None, None, way, batch, None)
    assert list(pieces) == ["eager 1", "eager 2", "eager 4", "compiled 1", "compiled 4"]
    row = timing.table({"peak_tflops": 400.0, "systems": {"sd1.5": {"pieces": pieces}}})[0]
    assert (row["eager"], row["eager, best batch"], row["compiled, best batch"]) == (4.0, 2.99, 1.5)
    assert row["lecture"] == 1.05 and row["share of peak"] == 0.25


def test_memory_that_ends_ends_the_batches(monkeypatch, counted):
    pieces = {"eager 1": {"seconds": 4.0}, "eager 2": {"seconds": None}}
    assert list(timing._wanted(pieces, torch.device("cpu"))) == [] and timing.best(pieces) == 1


def test_a_piece_says_seconds_share_and_memory():
    system = systems.find("instaflow")
    piece = timing._piece(timing._pipeline(system, TINY), system, "eager", 1, TINY)
    assert 0 < piece["low"] <= piece["seconds"] <= piece["high"] and piece["peak_gib"] > 0


def test_without_a_gpu_it_says_so():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match="needs one"):
        timing.measure("sd1.5")
    assert timing.peak(torch.device("cpu"), 64) > 0
