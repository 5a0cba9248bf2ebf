"""The beginning of a run is the run, as far as it goes."""

import copy

import pytest
import torch

from experiments.training.beginning import Beginning, adopt, beginning, not_past, steps_in
from experiments.training.loop import CheckpointError, Plan, fit

PLAN = Plan(images=80, batch=8, rate=0.1, warmup=2)


def run(plan, checkpoint):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    average = copy.deepcopy(model).requires_grad_(False)

    def loss(step, generator):
        return (model(torch.randn(8, 3, generator=generator)) - 1).square().mean()

    progress = list(fit(model, average, loss, plan, checkpoint))
    return progress, [p.clone() for p in (*model.parameters(), *average.parameters())]


def test_it_stops_early_at_the_rates_of_the_whole():
    part = beginning(PLAN, 40)
    assert part.steps == 5 and [part.rate_at(s) for s in range(5)] == [PLAN.rate_at(s) for s in range(5)]
    assert repr(part) == repr(PLAN) and part.whole == PLAN and isinstance(part, Beginning)
    assert beginning(PLAN, 10_000).steps == PLAN.steps


def test_what_goes_on_ends_with_the_weights_of_a_run_in_one_go(tmp_path):
    whole, last = run(PLAN, tmp_path / "whole.pt")
    first, early = run(beginning(PLAN, 40), tmp_path / "part.pt")
    assert [p.loss for p in first] == [p.loss for p in whole[:5]] and steps_in(tmp_path / "part.pt") == 5
    rest, later = run(PLAN, tmp_path / "part.pt")
    assert len(rest) == 5 and all(torch.equal(a, b) for a, b in zip(last, later))
    assert not any(torch.equal(a, b) for a, b in zip(early, later))


def test_a_checkpoint_that_has_gone_further_is_not_taken_for_an_earlier_one(tmp_path):
    run(PLAN, tmp_path / "whole.pt")
    with pytest.raises(CheckpointError, match="holds 80 images, more than the 40 to stop at"):
        not_past(beginning(PLAN, 40), tmp_path / "whole.pt")
    not_past(PLAN, tmp_path / "whole.pt")
    not_past(beginning(PLAN, 80), tmp_path / "whole.pt")
    not_past(beginning(PLAN, 40), tmp_path / "none.pt")


def test_another_rows_run_is_gone_on_with_where_it_is_not_past_the_stop(tmp_path):
    run(beginning(PLAN, 24), tmp_path / "source.pt")
    (tmp_path / "source.json").write_text("[[], [], 1.0]", encoding="utf-8")
    adopt(tmp_path / "source.pt", tmp_path / "far.pt", beginning(PLAN, 16))
    assert not (tmp_path / "far.pt").exists()
    adopt(tmp_path / "source.pt", tmp_path / "own.pt", beginning(PLAN, 40))
    assert steps_in(tmp_path / "own.pt") == 3 and (tmp_path / "own.json").exists()
    run(beginning(PLAN, 40), tmp_path / "own.pt")
    adopt(tmp_path / "source.pt", tmp_path / "own.pt", beginning(PLAN, 40))  # begun already
    assert steps_in(tmp_path / "own.pt") == 5 and steps_in(tmp_path / "source.pt") == 3


def test_a_damaged_checkpoint_and_a_stop_before_the_first_step_are_refused(tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"0" * 100)
    with pytest.raises(CheckpointError, match="damaged"):
        steps_in(tmp_path / "broken.pt")
    with pytest.raises(ValueError, match="stop at 8 or later"):
        beginning(PLAN, 3)
