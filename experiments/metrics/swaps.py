"""Whose colour is whose? A denoiser chooses between a true caption and one in which two solids have exchanged their colours.

The caption under which the noised picture is predicted with the smaller error is the one that the network takes for true
(Li et al. 2023, arXiv:2303.16203); chance is 1/2. Both captions have the same words, so a network that hears words and
not their order, or that does not connect a colour to its solid, stays at chance: attribute bleeding without drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from experiments.data.captions import caption
from experiments.data.scenes import COLOURS, Scene, Solid

STYLE = 2  # "a red cube and a blue sphere"
LEVELS = (0.4, 0.6, 0.8)  # times on the straight path at which the captions are compared


class Choice(NamedTuple):
    """A scene, its true caption and a wrong one."""

    scene: Scene
    true: str
    false: str


def swapped(scene: Scene) -> Scene | None:
    """The scene with the colours of its first two solids exchanged; None where that says the same, or solids are alike."""
    a, b, *rest = scene.solids
    other = (replace(a, colour=b.colour), replace(b, colour=a.colour), *rest)
    clear = a.colour != b.colour and a.shape != b.shape and _all_differ(scene.solids) and _all_differ(other)
    return replace(scene, solids=other) if clear else None


def recoloured(scene: Scene, number: int, colours: Sequence[str] = COLOURS) -> Scene:
    """The scene with one of `colours` that it does not hold on its first solid, chosen by `number`: wrong, but nothing is exchanged."""
    first, *rest = scene.solids
    left = [c for c in colours if c not in {s.colour for s in scene.solids}]
    return replace(scene, solids=(replace(first, colour=left[number % len(left)]), *rest))


def choices(scenes: Iterable[Scene], solids: int, n: int, wrong: str = "swapped", colours: Sequence[str] = COLOURS) -> list[Choice]:
    """The first `n` choices among scenes with that many solids; `wrong` captions are "swapped", or "recoloured" with one of `colours`."""
    found: list[Choice] = []
    for number, scene in enumerate(scenes):
        if len(scene.solids) == solids and swapped(scene):
            other = swapped(scene) if wrong == "swapped" else recoloured(scene, number, colours)
            found.append(Choice(scene, caption(scene, "en", STYLE), caption(other, "en", STYLE)))
        if len(found) == n:
            break
    return found


def _all_differ(solids: Sequence[Solid]) -> bool:
    return len({(s.colour, s.shape) for s in solids}) == len(solids)


Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, timestep [B] of 1000, words) to eps - x0


@torch.inference_mode()
def margins(velocity: Velocity, codes: Tensor, true: Tensor, false: Tensor, seed: int = 0) -> Tensor:
    """How much larger the error is under the wrong caption, relative to the true one's, for each choice [N].

    codes [N,C,h,w] of the scenes, words [N,L,D] of their captions; both captions of one scene see the same noise.
    """
    errors = torch.stack([prediction_error(velocity, codes, words, seed) for words in (true, false)])
    return (errors[1] - errors[0]) / errors[0]


@torch.inference_mode()
def prediction_error(velocity: Velocity, codes: Tensor, words: Tensor, seed: int = 0) -> Tensor:
    """Squared error of the predicted velocity [N], summed over LEVELS; the noise depends on the seed alone."""
    total = torch.zeros(len(codes))
    for t in LEVELS:
        eps = torch.randn(codes.shape, generator=torch.Generator().manual_seed(1000 * seed + round(100 * t)))
        said = velocity((1 - t) * codes + t * eps, torch.full((len(codes),), 1000 * t), words)
        total += (said - (eps - codes)).square().mean((1, 2, 3))
    return total
