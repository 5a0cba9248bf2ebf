"""Quality against evaluations for noise, velocity and rectified flow at equal training, and how bent their trajectories are.

One MM-DiT is trained four times from the same draws: for the noise and for the velocity on Stable Diffusion's path, and for
the velocity of the straight path with uniform and with logit-normal times. All draw the same captions from the same noise,
one evaluation a step, without guidance: the former two by DDIM and DPM-Solver++, the flows by Euler's rule.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from experiments.artefacts import store
from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.data.scenes import COLOURS
from experiments.metrics.features import extract, network
from experiments.metrics.kernel import kid
from experiments.models.backbones import BACKBONES, CHANNELS, SIDE, build, says
from experiments.models.recipes.stable_diffusion import BETAS
from experiments.sampling.straightness import straightness, turning
from experiments.studies.study import Study
from experiments.training import backbones as training
from experiments.training import paths
from experiments.training.loop import Plan

ARMS = {  # what is predicted, and the solvers it is drawn by
    "noise": ("epsilon", ("DDIM", "DPM-Solver++")),
    "velocity": ("velocity", ("DDIM", "DPM-Solver++")),
    "flow, uniform times": ("flow", ("Euler",)),
    "flow, logit-normal times": ("flow", ("Euler",)),
}
EVALUATIONS = (1, 2, 4, 8, 16, 32, 100)
SHIFTS, SHIFTED = (0.33, 0.5, 1.0, 2.0, 3.0), 8  # shifts of the times, and the number of steps they are compared at
IMAGES, BATCH, RATE = 8_000, 32, 2e-3
SCENES, SOLIDS = 24_000, (1,)
SEEDS = (0, 1, 2)
DRAWN, COMPARED = 48, 1500
FOLLOWED, FINE = 24, 32  # trajectories that are looked at, and their steps


def uniform(n: int, generator: torch.Generator) -> paths.Draw:
    """Times of the straight path, all alike (Liu et al. 2022, arXiv:2209.03003)."""
    t = torch.rand(n, generator=generator)
    at = t.view(-1, 1, 1, 1)
    return paths.Draw(1000 * t, 1 - at, at)


def scheduler(name: str, solver: str, shift: float = 1.0):
    """The solver as diffusers has it, for the arm's path and prediction. All start at the noisiest level and end without noise."""
    if solver == "Euler":
        return FlowMatchEulerDiscreteScheduler(shift=shift)
    common = BETAS | dict(prediction_type="epsilon" if name == "noise" else "v_prediction", timestep_spacing="trailing")
    if solver == "DDIM":
        return DDIMScheduler(**common, clip_sample=False, set_alpha_to_one=True)
    return DPMSolverMultistepScheduler(**common, algorithm_type="dpmsolver++", final_sigmas_type="zero")


def times(name: str):
    """How an arm's times are drawn in training."""
    if ARMS[name][0] != "flow":
        return paths.variance_preserving(scheduler(name, "DDIM").alphas_cumprod)
    return uniform if name == "flow, uniform times" else paths.straight()


@cache
def shared() -> SimpleNamespace:
    """What all arms learn from and are compared with."""
    seen = network("scenes")
    drawn = scenes("validation", 0, COMPARED)
    held = [i for i, scene in enumerate(drawn) if len(scene.solids) in SOLIDS]
    pictures = torch.from_numpy(np.array(images("validation", 0, COMPARED)[held]))
    words = training.Reader()([caption(drawn[i], "en", training.STYLE) for i in held[:DRAWN]])
    data = training.material(SOLIDS, COLOURS, SCENES)
    return SimpleNamespace(data=data, vae=training.autoencoder(), words=words, seen=seen, against=extract(pictures, seen))


@torch.inference_mode()
def follow(model, rule, words: Tensor, noise: Tensor, steps: int) -> tuple[list[Tensor], list[tuple[float, float]]]:
    """All states and the level (a, s) of each, from `noise` in `steps` evaluations.

    The flow's times are given: those that its scheduler would choose end at 0.001, so that its last step does nothing.
    """
    if hasattr(rule, "alphas_cumprod"):
        rule.set_timesteps(steps)
    else:
        rule.set_timesteps(sigmas=[1 - k / steps for k in range(steps)])
    states, levels = [noise], []
    for t in rule.timesteps:
        levels.append(_level(rule, t))
        said = says(model, states[-1], t.expand(len(noise)).to(noise.dtype), words)
        states.append(rule.step(said, t, states[-1]).prev_sample)
    return states, [*levels, (1.0, 0.0)]


def _level(rule, t: Tensor) -> tuple[float, float]:
    """The coefficients a and s of x_t = a x_0 + s eps at a time step."""
    if not hasattr(rule, "alphas_cumprod"):
        time = float(t) / rule.config.num_train_timesteps
        return 1 - time, time
    kept = float(rule.alphas_cumprod[int(t)])
    return kept**0.5, (1 - kept) ** 0.5


def bend(states: list[Tensor], levels: list[tuple[float, float]], curved: bool) -> dict[str, float]:
    """Mean straightness and turning (degrees) of trajectories.

    "own": in the arm's coordinates, with the angle as time where the path is a circle. "straightened": divided by a + s and
    with s/(a + s) as time, in which x_t of either path is a line from noise to data.
    """
    own, pairs = torch.stack(states), torch.tensor(levels)
    total = pairs.sum(1)
    level = pairs[:, 1] / total
    time = torch.atan2(pairs[:, 1], pairs[:, 0]) / (torch.pi / 2) if curved else level
    lines = own / total.view(-1, 1, 1, 1, 1)
    found = {"own": (own, time), "straightened": (lines, level)}
    numbers = {f"straightness, {k}": float(straightness(x, t.tolist()).mean()) for k, (x, t) in found.items()}
    return numbers | {f"turning, {k}": float(turning(x).mean()) for k, (x, _) in found.items()}


def trained(name: str, seed: int, data: training.Material):
    """The arm's network and its curve."""
    torch.manual_seed(seed)  # initial weights only
    plan = Plan(images=IMAGES, batch=BATCH, rate=RATE, warmup=30, average=0.98, seed=seed)
    kept = store("studies", f"{STUDY.name}-{name.replace(', ', '-').replace(' ', '-')}-{seed}-{STUDY.made()[:12]}.pt")
    return training.train(build(BACKBONES["mmdit"]), data, plan, kept, objective=ARMS[name][0], draw=times(name))


def measure(name: str, seed: int) -> dict[str, Any]:
    """One arm with one seed: KID and the distance to its own finest drawing by solver and number of evaluations; bends."""
    own, solvers = shared(), ARMS[name][1]
    model, curve = trained(name, seed, own.data)
    noise = torch.randn((DRAWN, CHANNELS, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))
    result: dict[str, Any] = {"images": IMAGES, "curve": curve}
    for solver in solvers:
        ends = {n: follow(model, scheduler(name, solver), own.words, noise, n)[0][-1] for n in EVALUATIONS}
        finest = ends[max(EVALUATIONS)]
        result[solver] = {str(n): {"kid": _kid(own, x), "gap": round(float((x - finest).norm() / finest.norm()), 5)} for n, x in ends.items()}
    few = slice(0, FOLLOWED)
    states, levels = follow(model, scheduler(name, solvers[0]), own.words[few], noise[few], FINE)
    result["bend"] = {k: round(v, 5) for k, v in bend(states, levels, ARMS[name][0] != "flow").items()}
    if ARMS[name][0] == "flow":
        ends = {shift: follow(model, scheduler(name, "Euler", shift), own.words, noise, SHIFTED)[0][-1] for shift in SHIFTS}
        result["shift"] = {f"{shift:g}": _kid(own, x) for shift, x in ends.items()}
    return result


def _kid(own, codes: Tensor) -> float:
    """KID of the checker's features against renders of held-out scenes."""
    return round(float(kid(extract(training.decode(own.vae, codes), own.seen), own.against)), 6)


STUDY = Study(
    "rectified-flow-steps",
    parts=lambda: [(name, seed) for seed in SEEDS for name in ARMS],
    measure=measure,
    made_by=(
        "experiments.training.backbones", "experiments.models.backbones", "experiments.sampling.straightness",
        "experiments.metrics.features", "experiments.metrics.kernel", "experiments.studies.rectified_flow_steps",
    ),  # fmt: skip
    needs=("autoencoder", "clip", "checker"),
)
STUDIES = (STUDY,)
