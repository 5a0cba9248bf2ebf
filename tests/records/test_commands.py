"""What `train` and `bench` do around the work itself."""

from __future__ import annotations

import json
import sys
import types
from types import SimpleNamespace

import pytest

from experiments.records import bench, status, train
from experiments.records.progress import duration
from experiments.records.project import Project

ROWS = {name: SimpleNamespace(made=lambda: "today's") for name in ("first", "second", "third")}


def trained(root, name, score, code="today's"):
    folder = root / "weights" / name
    folder.mkdir(parents=True)
    record = {
        "images_seen": 1,
        "images_budget": 1,
        "code_sha256": code,
        "expected": {"psnr": 30},
        "scores": {"psnr": {"value": score}},
    }
    (folder / "training.json").write_text(json.dumps(record))


def test_what_lacks_training_is_trained_in_the_order_in_which_rows_build_on_each_other(tmp_path):
    trained(tmp_path, "first", 29)
    trained(tmp_path, "second", 31)
    assert train.unfinished(Project(tmp_path), ROWS) == ["first", "third"]
    trained(tmp_path, "third", 31, code="yesterday's")
    states = {line.name: line.state for line in status.recipes(Project(tmp_path), ROWS)}
    assert states == {"first": "under-trained", "third": "stale", "second": "recorded"}


def test_one_row_that_cannot_be_finished_does_not_keep_the_others_from_training(monkeypatch, capsys):
    class Unfinished(RuntimeError):
        pass

    done = []

    def train_one(name, measure, device, minutes, tell, images=None, until=None, more=None):
        if name == "first":
            raise Unfinished("10 of 20 images")
        done.append((name, minutes))

    fakes = {
        "experiments.metrics.scores": {"measure": None},
        "experiments.training.further": {"NothingToGoOnFrom": ValueError},
        "experiments.training.journal": {"Unfinished": Unfinished},
        "experiments.training.loop": {"CheckpointError": KeyError},
        "experiments.training.train": {"train": train_one},
    }
    for name, content in fakes.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    assert train.train(["first", "second"], minutes=5) == ["first: 10 of 20 images"]
    assert done == [("second", 5)]
    assert "[2/2] second: trained" in capsys.readouterr().out


def test_benchmarks_are_printed_as_ratios_and_one_that_cannot_run_is_said_not_to_be_measured(monkeypatch, capsys):
    def good(project):
        """Plain against ours."""
        return bench.Ratio(6.0, 0.5, "same answer")

    def bad(project):
        """Needs a model."""
        raise FileNotFoundError("no mini-sd3")

    monkeypatch.setattr(bench, "BENCHMARKS", (bad, good))
    assert bench.run(Project()) == 1
    said = capsys.readouterr().out
    assert "12.0 times faster: 6.0 s against 0.500 s (same answer)" in said
    assert "not measured: FileNotFoundError: no mini-sd3" in said
    assert bench.run(Project(), "good") == 0
    assert bench.run(Project(), "nothing") == 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (42.4, "42 s"), (185, "3 min 05 s"), (119.6, "2 min 00 s")]
)
def test_durations_read_as_a_person_says_them(seconds, text):
    assert duration(seconds) == text
