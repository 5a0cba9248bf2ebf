"""The loop: what was killed and resumed ends with the weights of what was not, and what went wrong is named."""

import copy
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.artefacts import ROOT
from experiments.training.loop import CheckpointError, Plan, fit

PLAN = Plan(images=12 * 4, batch=4, rate=0.02, warmup=3)

TINY = """
import copy, sys, torch
from pathlib import Path
from experiments.training.loop import Plan, fit

def tiny():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    average = copy.deepcopy(model).requires_grad_(False)

    def loss(step, generator):
        x = torch.randn(4, 3, generator=generator)
        return (model(x) - x[:, :2] ** 2).square().mean()

    return model, average, loss
"""


def tiny():
    space = {}
    exec(TINY, space)  # the same text that the killed subprocess runs
    return space["tiny"]()


def finished(checkpoint, plan=PLAN, parts=()):
    """State of model and average after a run that is closed after each number of steps in `parts` and begun again."""
    for steps in parts:
        model, average, loss = tiny()
        running = fit(model, average, loss, plan, checkpoint)
        for _ in range(steps):
            next(running)
        running.close()
    model, average, loss = tiny()
    told = list(fit(model, average, loss, plan, checkpoint))
    return model.state_dict(), average.state_dict(), told


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def same_weights(a, b):
    """`equal` but for what batch normalisation counts: a step that fails after the model was asked has moved it."""
    return equal(*({k: v for k, v in state.items() if not k.startswith("1.")} for state in (a, b)))


# ---- resuming -------------------------------------------------------------------------------------------------------

@settings(max_examples=8)
@given(parts=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_run_in_parts_ends_with_the_same_weights(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("parts")
    whole, whole_average, _ = finished(folder / "whole.pt")
    model, average, told = finished(folder / "parts.pt", parts=parts)
    assert equal(model, whole) and equal(average, whole_average)
    assert [p.step for p in told] == list(range(sum(parts) + 1, 13))


def test_a_run_that_was_killed_ends_with_the_same_weights(tmp_path):
    """SIGKILL between two steps: nothing is closed, only what was saved on the way is left."""
    body = """
    model, average, loss = tiny()
    plan = Plan(images=12 * 4, batch=4, rate=0.02, warmup=3)
    for progress in fit(model, average, loss, plan, Path(sys.argv[1]), save_every=0.0):
        print(progress.step, flush=True)
        if progress.step == 7:
            sys.stdin.read()
    """
    script = tmp_path / "killed.py"
    script.write_text(TINY + textwrap.dedent(body), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    running = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "killed.pt")], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    steps = [running.stdout.readline() for _ in range(7)]
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert steps[-1] == "7\n" and running.returncode == -signal.SIGKILL
    model, average, told = finished(tmp_path / "killed.pt")
    whole, whole_average, _ = finished(tmp_path / "whole.pt")
    assert equal(model, whole) and equal(average, whole_average)
    assert told[0].step == 8


def test_a_finished_run_is_loaded_and_not_trained_further(tmp_path):
    first, _, _ = finished(tmp_path / "done.pt")
    content = (tmp_path / "done.pt").read_bytes()
    again, _, told = finished(tmp_path / "done.pt")
    assert equal(first, again) and told == []
    assert (tmp_path / "done.pt").read_bytes() == content


def test_what_a_step_draws_depends_on_seed_and_step_alone(tmp_path):
    def draws(plan, checkpoint, stop):
        model, average, _ = tiny()
        seen = {}

        def loss(step, generator):
            seen[step] = torch.randn(3, generator=generator)
            return model(torch.randn(4, 3)).square().mean()

        running = fit(model, average, loss, plan, checkpoint)
        for _ in range(stop):
            next(running)
        running.close()
        return seen

    torch.manual_seed(1)
    whole = draws(PLAN, tmp_path / "a.pt", 9)
    torch.manual_seed(2)
    first, second = draws(PLAN, tmp_path / "b.pt", 4), draws(PLAN, tmp_path / "b.pt", 5)
    assert whole.keys() == (first | second).keys() and equal(whole, first | second)
    other = draws(Plan(images=48, batch=4, rate=0.02, warmup=3, seed=1), tmp_path / "c.pt", 9)
    assert not any(torch.equal(whole[k], other[k]) for k in whole)
    assert len({tuple(v.tolist()) for v in whole.values()}) == 9


def test_seconds_are_summed_over_the_parts(tmp_path):
    running = fit(*tiny(), PLAN, tmp_path / "q.pt")
    first = [next(running) for _ in range(5)][-1]
    running.close()
    second = next(fit(*tiny(), PLAN, tmp_path / "q.pt"))
    assert second.seconds > first.seconds and second.images == 6 * 4


# ---- what goes wrong ------------------------------------------------------------------------------------------------

@settings(max_examples=25)
@given(st.integers(0, 2**30), st.integers(1, 255))
def test_a_damaged_checkpoint_is_named(tmp_path_factory, place, change):
    checkpoint = tmp_path_factory.getbasetemp() / "damaged.pt"
    content = bytearray(_good(tmp_path_factory))
    content[place % len(content)] ^= change
    checkpoint.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged.pt is damaged.*delete it"):
        next(fit(*tiny(), PLAN, checkpoint))
    assert checkpoint.read_bytes() == bytes(content)  # left for whoever wants to look at it


@pytest.mark.parametrize("length", [0, 10, 32, 1000])
def test_a_cut_checkpoint_is_named(tmp_path_factory, tmp_path, length):
    checkpoint = tmp_path / "cut.pt"
    checkpoint.write_bytes(_good(tmp_path_factory)[:length])
    with pytest.raises(CheckpointError, match="cut.pt is damaged"):
        next(fit(*tiny(), PLAN, checkpoint))


def _good(tmp_path_factory) -> bytes:
    path = tmp_path_factory.getbasetemp() / "good.pt"
    if not path.exists():
        finished(path)
    return path.read_bytes()


@pytest.mark.parametrize("other", [dict(images=96), dict(rate=0.01), dict(seed=1), dict(average=0.9), dict(cooldown=0.5)])
def test_a_checkpoint_of_another_plan_is_refused(tmp_path, other):
    running = fit(*tiny(), PLAN, tmp_path / "a.pt")
    next(running)
    running.close()
    values = dict(images=48, batch=4, rate=0.02, warmup=3) | other
    with pytest.raises(CheckpointError, match="a.pt belongs to another plan .*rate=0.02.*delete it"):
        next(fit(*tiny(), Plan(**values), tmp_path / "a.pt"))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_named_with_its_step(tmp_path, bad):
    model, average, loss = tiny()
    spoilt = lambda step, g: loss(step, g) * (bad if step == 5 else 1)  # noqa: E731
    with pytest.raises(FloatingPointError, match=f"loss is {bad} at step 5.*0.02"):
        list(fit(model, average, spoilt, PLAN, tmp_path / "bad.pt"))
    assert all(p.isfinite().all() for p in model.parameters())
    resumed, _, told = finished(tmp_path / "bad.pt")  # the steps before it are kept
    assert told[0].step == 6 and same_weights(resumed, finished(tmp_path / "whole.pt")[0])


def test_a_failure_of_the_loss_keeps_the_steps_before_it(tmp_path):
    model, average, loss = tiny()

    def failing(step, generator):
        if step == 4:
            raise KeyboardInterrupt
        return loss(step, generator)

    with pytest.raises(KeyboardInterrupt):
        list(fit(model, average, failing, PLAN, tmp_path / "k.pt"))
    resumed, _, told = finished(tmp_path / "k.pt")
    assert told[0].step == 5 and equal(resumed, finished(tmp_path / "whole.pt")[0])


# ---- rate and average -----------------------------------------------------------------------------------------------

plans = st.builds(
    Plan,
    images=st.integers(1, 100_000),
    batch=st.integers(1, 256),
    rate=st.floats(1e-5, 1.0),
    warmup=st.integers(1, 200),
    cooldown=st.floats(0.0, 1.0),
)


@given(plans)
def test_the_rate_rises_stays_and_falls(plan):
    rates = [plan.rate_at(s) for s in range(plan.steps)]
    assert all(0 < r <= plan.rate for r in rates)
    peak = rates.index(max(rates))
    assert all(a <= b for a, b in zip(rates[:peak], rates[1 : peak + 1]))
    assert all(a >= b for a, b in zip(rates[peak:], rates[peak + 1 :]))
    assert rates[0] == pytest.approx(plan.rate / plan.warmup) or plan.steps * plan.cooldown > 1 or plan.steps == 1
    assert plan.rate_at(plan.steps) == 0
    assert (plan.steps - 1) * plan.batch < plan.images <= plan.steps * plan.batch


def test_the_rate_of_a_usual_plan():
    plan = Plan(images=64_000, batch=64, rate=1e-3, warmup=100, cooldown=0.3)
    assert plan.rate_at(49) == pytest.approx(5e-4)
    assert plan.rate_at(99) == plan.rate_at(500) == plan.rate_at(700) == 1e-3
    assert plan.rate_at(850) == pytest.approx(5e-4)


def test_the_optimiser_uses_the_rate_of_the_plan(tmp_path):
    """The first step of AdamW moves every weight by the rate, whatever its gradient."""
    model = torch.nn.Linear(3, 2)
    before = copy.deepcopy(model)
    average = copy.deepcopy(model).requires_grad_(False)
    plan = Plan(images=1000, batch=4, rate=0.1, warmup=10, weight_decay=0.0)
    x = torch.randn(4, 3)
    next(fit(model, average, lambda s, g: model(x).square().sum(), plan, tmp_path / "r.pt"))
    moved = (model.weight - before.weight).abs()
    assert torch.allclose(moved, torch.full_like(moved, 0.01), rtol=1e-3)


def test_the_average_is_the_moving_average_of_the_weights(tmp_path):
    model, average, loss = tiny()
    plan = Plan(images=20 * 4, batch=4, rate=0.05, warmup=2, average=0.6)
    expected = {k: v.double() for k, v in average.named_parameters()}
    for progress in fit(model, average, loss, plan, tmp_path / "m.pt"):
        decay = min(0.6, progress.step / (progress.step + 9))
        expected = {k: decay * v + (1 - decay) * dict(model.named_parameters())[k].double() for k, v in expected.items()}
    for name, value in average.named_parameters():
        assert torch.allclose(value.double(), expected[name], atol=1e-5)
    assert torch.equal(average[1].running_mean, model[1].running_mean)  # statistics are copied, not averaged
    assert not any(p.requires_grad for p in average.parameters())


def test_gradients_are_clipped(tmp_path):
    model, average, _ = tiny()
    x, norms = torch.randn(4, 3), []
    running = fit(model, average, lambda s, g: 1e6 * model(x).square().mean(), PLAN, tmp_path / "c.pt")
    plain = torch.optim.AdamW.step

    def step(self, *arguments):
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())
        return plain(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        next(running)
    assert norms == [pytest.approx(1.0, rel=1e-3)]


def test_training_and_its_average_learn(tmp_path):
    model, average, _ = tiny()
    untrained = copy.deepcopy(model)
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(9))

    def error(m):
        return (m.eval()(x) - x[:, :2]).square().mean().item()

    def loss(step, generator):
        drawn = torch.randn(32, 3, generator=generator)
        return (model(drawn) - drawn[:, :2]).square().mean()

    list(fit(model, average, loss, Plan(images=150 * 32, batch=32, rate=0.02, warmup=5, average=0.9), tmp_path / "l.pt"))
    assert error(model) < 0.2 * error(untrained) and error(average) < 0.2 * error(untrained)
