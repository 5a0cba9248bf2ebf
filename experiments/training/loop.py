"""The one training loop. It is a generator: the caller owns progress bars, logs and evaluation.

What step s sees depends on (seed, s) alone, and everything that a step changes is in the checkpoint. So a run that was
killed and resumed ends with the same weights, bit for bit, as one that was not (same machine, same number of threads).
"""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from experiments.artefacts import atomic_write
from experiments.training.precision import autocast


class CheckpointError(RuntimeError):
    """A checkpoint is damaged or belongs to another run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast: everything of a run that is neither the model nor the loss.

    `images` is the number of training images to show in all; the learning rate warms up over `warmup` steps, stays, and
    falls linearly to zero over the last `cooldown` share of the run.
    """

    images: int
    batch: int = 64
    rate: float = 1e-3
    warmup: int = 100
    cooldown: float = 0.3
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.999
    seed: int = 0

    @property
    def steps(self) -> int:
        return math.ceil(self.images / self.batch)

    def rate_at(self, step: int) -> float:
        left = (self.steps - step) / max(1.0, self.cooldown * self.steps)
        return self.rate * min(1.0, (step + 1) / self.warmup, max(0.0, left))

    def average_at(self, step: int) -> float:
        """Decay of the weights' moving average; short at first, so that early averages forget the initialisation."""
        return min(self.average, (step + 1) / (step + 10))


@dataclass(frozen=True, slots=True)
class Progress:
    """State after a step: counts from the start of the run, seconds summed over all its parts."""

    step: int
    images: int
    loss: float
    seconds: float


Loss = Callable[[int, torch.Generator], torch.Tensor]


def fit(model: nn.Module, average: nn.Module, loss: Loss, plan: Plan, checkpoint: Path, save_every: float = 120.0) -> Iterator[Progress]:
    """Train `model` in place by `loss(step, generator)`, its moving average in `average`; yield after each step.

    The generator (on the CPU) is seeded from (plan.seed, step): draw everything random from it. Progress is saved to
    `checkpoint` every `save_every` seconds, when the caller closes the generator, and at the end; an existing checkpoint of
    the same plan is continued. Raises `CheckpointError` if it is damaged, `FloatingPointError` if the loss is not finite.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    device = trained[0].device
    optimiser = torch.optim.AdamW(trained, lr=plan.rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay, fused=True)
    start, spent = _resume(checkpoint, plan, model, average, optimiser)
    begun = saved = time.monotonic()
    step = start
    model.train()
    try:
        for step in range(start, plan.steps):
            for group in optimiser.param_groups:
                group["lr"] = plan.rate_at(step)
            with autocast(device):
                value = loss(step, torch.Generator().manual_seed(_seed(plan.seed, step)))
            number = value.item()
            if not math.isfinite(number):
                raise FloatingPointError(f"the loss is {number} at step {step}: lower the rate ({plan.rate}) or check the data")
            value.backward()
            nn.utils.clip_grad_norm_(trained, plan.clip)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            _move(average, model, plan.average_at(step))
            now = time.monotonic()
            if now - saved > save_every:
                _save(checkpoint, plan, step + 1, spent + now - begun, model, average, optimiser)
                saved = now
            yield Progress(step + 1, (step + 1) * plan.batch, number, spent + now - begun)
        step = plan.steps
    except GeneratorExit:
        step += 1
        raise
    finally:
        if step > start:
            _save(checkpoint, plan, step, spent + time.monotonic() - begun, model, average, optimiser)


def _seed(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest(), "little") >> 1


@torch.no_grad()
def _move(average: nn.Module, model: nn.Module, decay: float) -> None:
    targets, sources = list(average.parameters()), [p.detach() for p in model.parameters()]
    torch._foreach_lerp_(targets, sources, 1 - decay)
    for kept, now in zip(average.buffers(), model.buffers()):
        kept.copy_(now)


def _save(path: Path, plan: Plan, step: int, seconds: float, model, average, optimiser) -> None:
    """One file: 32 bytes of SHA-256, then the state."""
    buffer = io.BytesIO()
    parts = {"model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({"plan": repr(plan), "step": step, "seconds": seconds, **parts}, buffer)
    with atomic_write(path) as file:
        file.write(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())


def _resume(path: Path, plan: Plan, model, average, optimiser) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    content = path.read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise CheckpointError(f"{path.name} is damaged (its hash does not match): delete it to train from the start")
    state = torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)
    if state["plan"] != repr(plan):
        raise CheckpointError(f"{path.name} belongs to another plan ({state['plan']}): delete it or train with that plan")
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"], state["seconds"]
