"""What members of the family are trained on: noise a code, tell the denoiser what the picture shows, ask for the row's target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from experiments.training import paths
from experiments.training.objective import FORGET, attention

WEIGHTS_DRAWN = (1.0, 8.0)  # of guidance, in guidance distillation


@dataclass(frozen=True)
class Material:
    """What is learned from: codes, and what belongs to each scene's captions.

    mean, deviation: of q(z|x), [N,C,h,w]. texts: name to ids [N,S,L] or to other tensors [N,S,...]; nothing: name to what
    stands for the empty wish.
    """

    mean: Tensor
    deviation: Tensor
    texts: dict[str, Tensor]
    nothing: dict[str, Tensor]

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Codes [B,C,h,w] of random scenes and what their captions say."""
        at = torch.randint(len(self.mean), (batch,), generator=generator)
        styles = next(iter(self.texts.values())).shape[1]
        style = torch.randint(styles, (batch,), generator=generator)
        x0 = self.mean[at] + self.deviation[at] * torch.randn(self.mean[at].shape, generator=generator)
        return x0, {name: held[at, style] for name, held in self.texts.items()}

    def without(self, said: dict[str, Tensor], forget: Tensor) -> dict[str, Tensor]:
        """`said` with the empty wish where `forget` [B] is true."""
        return {name: torch.where(_along(forget, held), self.nothing[name].to(held), held) for name, held in said.items()}


def _along(forget: Tensor, held: Tensor) -> Tensor:
    return forget.to(held.device).view(-1, *[1] * (held.dim() - 1))


@dataclass(frozen=True)
class Pairs:
    """Noises and what a teacher made of them: x1 and x0 [N,C,h,w], with the captions it was given (ids [N,L] by name)."""

    noise: Tensor
    made: Tensor
    texts: dict[str, Tensor]

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        at = torch.randint(len(self.noise), (batch,), generator=generator)
        return self.noise[at].float(), self.made[at].float(), {name: held[at] for name, held in self.texts.items()}


def path(objective: str, pipeline: DiffusionPipeline) -> Callable[[int, torch.Generator], paths.Draw]:
    """The straight path with logit-normal times for flow, else the path of the pipeline's scheduler."""
    return paths.straight() if objective == "flow" else paths.variance_preserving(pipeline.scheduler.alphas_cumprod)


def on(device: torch.device, held: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in held.items()}


def denoising(
    pipeline: DiffusionPipeline, model: torch.nn.Module, condition: ModuleType, objective: str, material: Material, batch: int
):
    """The loss of one step: squared error of the objective's target, captions forgotten now and then for guidance.

    `pipeline` holds `model` when this is called; a later change of what it holds (the moving average) does not matter.
    """
    draw, speak = path(objective, pipeline), _bound(pipeline, model, condition)

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        x0, said = material.draw(batch, generator)
        said = material.without(said, torch.rand(batch, generator=generator) < FORGET)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(batch, generator)
        wanted = paths.target(objective, x0, eps, time.a, time.s)
        return speak.error(time.a * x0 + time.s * eps, time.timestep, said, wanted, generator)

    return of_step


def guided(
    pipeline: DiffusionPipeline, model: torch.nn.Module, teacher: torch.nn.Module, condition: ModuleType, material: Material, batch: int
):
    """Guidance distillation (Meng et al. 2023, arXiv:2210.03142, stage one): with the guidance w as an input say at once what
    the teacher says in two passes, u + w (c - u), at codes on the way to noise."""
    draw, speak, asked = path("flow", pipeline), _bound(pipeline, model, condition), _bound(pipeline, teacher, condition)

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        x0, said = material.draw(batch, generator)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(batch, generator)
        low, high = WEIGHTS_DRAWN
        w = low + (high - low) * torch.rand(batch, generator=generator)
        x = (time.a * x0 + time.s * eps).to(model.device)
        k = time.timestep.to(model.device)
        told = condition.told(pipeline, on(model.device, said), generator)
        with torch.no_grad(), attention(model.device):
            empty = condition.told(pipeline, on(model.device, material.without(said, torch.ones(batch, dtype=torch.bool))), None)
            c, u = asked(x, k, told), asked(x, k, empty)
        wanted = u + w.to(x.device).view(-1, 1, 1, 1) * (c - u)
        with attention(model.device):
            return (speak(x, k, told | {"guidance": w.to(x.device)}).float() - wanted.float()).square().mean()

    return of_step


def on_pairs(
    pipeline: DiffusionPipeline,
    model: torch.nn.Module,
    condition: ModuleType,
    objective: str,
    pairs: Pairs,
    batch: int,
    times: tuple[float, ...] = (),
):
    """The loss of one step of retraining on a teacher's own pairs.

    flow: reflow (arXiv:2209.03003), x_t on the line between noise and picture, at uniform times or at the given ones (at 1
    alone it is distillation to one step). epsilon: the teacher's own path and target, which is rectified diffusion
    (arXiv:2410.07303).
    """
    speak = _bound(pipeline, model, condition)
    draw = _at(times) if objective == "flow" else path(objective, pipeline)

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        noise, made, said = pairs.draw(batch, generator)
        time = draw(batch, generator)
        wanted = paths.target(objective, made, noise, time.a, time.s)
        return speak.error(time.a * made + time.s * noise, time.timestep, said, wanted, generator)

    return of_step


def _at(times: tuple[float, ...]) -> Callable[[int, torch.Generator], paths.Draw]:
    """The straight path at uniform times, or at one of `times` each."""

    def draw(n: int, generator: torch.Generator) -> paths.Draw:
        t = torch.rand(n, generator=generator)
        t = torch.tensor(times)[(t * len(times)).long()] if times else t
        at = t.view(-1, 1, 1, 1)
        return paths.Draw(1000 * t, 1 - at, at)

    return draw


class _bound:
    """`condition.say` for one network, whichever the pipeline holds."""

    def __init__(self, pipeline: DiffusionPipeline, model: torch.nn.Module, condition: ModuleType):
        self.pipeline, self.model, self.condition = pipeline, model, condition
        self.name = "unet" if getattr(pipeline, "unet", None) is not None else "transformer"

    def __call__(self, x: Tensor, timestep: Tensor, told: dict) -> Tensor:
        return self.condition.say(_Holding(self.pipeline, self.name, self.model), x, timestep, told)

    def error(self, x: Tensor, timestep: Tensor, said: dict[str, Tensor], wanted: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the answer at x, which is on the CPU like all that was drawn."""
        device = self.model.device
        told = self.condition.told(self.pipeline, on(device, said), generator)
        with attention(device):
            answer = self(x.to(device), timestep.to(device), told)
        return (answer.float() - wanted.to(device)).square().mean()


class _Holding:
    """A pipeline in which one part is another."""

    def __init__(self, pipeline: DiffusionPipeline, name: str, part: torch.nn.Module):
        self._pipeline, self._name, self._part = pipeline, name, part

    def __getattr__(self, name: str):
        return self._part if name == self._name else getattr(self._pipeline, name)
