"""What the arms of the comparison of mechanisms have learnt, by choosing and by drawing, and the run of them all.

    python -m experiments.metrics.arm_scores --seeds 0 1 2

Choosing: of two captions of a held-out scene, of which one is wrong in one respect, the share in which the true one
gives the smaller error of prediction, chance 1/2: a denoiser used as a classifier (Li et al. 2023, arXiv:2303.16203).
It shows what a network has heard long before it draws well. What it draws, the checker judges (`drawn`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from experiments.data.dataset import scenes
from experiments.data.prompts import OPPOSITE, Prompt, Requirement, Wanted, text
from experiments.data.scenes import COLOURS, SHAPES, Scene
from experiments.metrics.alignment import by_category, evaluate
from experiments.metrics.intervals import Estimate, wilson
from experiments.models.ablations import ARMS, Arm
from experiments.models.mechanisms import says
from experiments.models.zoo import WEIGHTS
from experiments.training import arms, corpus
from experiments.training.arms import ASKED, Reader

CHOSEN, GLANCED = 200, 100  # scenes of a category, at the end and on the way
WATCHED = ("colours", "colour attribution")  # on the way
LEVELS = (0.5, 0.7, 0.9)  # times at which two captions are compared
HELD_OUT = 2000  # scenes of the split `validation` that choices are made from


class Choice(NamedTuple):
    """Scene number, a caption that is true of it and one that is wrong in one respect."""

    scene: int
    true: str
    false: str


def drawn(
    arm: Arm, model: nn.Module, wanted: Sequence[Prompt], reader: Reader, autoencoder: AutoencoderKL, seed: int = 0
) -> dict[str, Estimate]:
    """Attribute accuracy by category of what the arm draws."""
    return by_category(wanted, evaluate(wanted, arms.draw(arm, model, wanted, reader, autoencoder, seed)))


def choices(category: str, n: int = CHOSEN) -> list[Choice]:
    """The first `n` choices of a category; fewer where HELD_OUT scenes do not have that many."""
    found = (c for i, scene in enumerate(_held_out()) for c in _choice(i, scene, category))
    return list(islice(found, n))


@lru_cache(maxsize=1)
def _held_out() -> list[Scene]:
    return scenes("validation", 0, HELD_OUT)


def _choice(i: int, scene: Scene, category: str) -> Iterator[Choice]:
    """The scene's choice, if it is of the kind that the category asks about."""
    a, b = scene.solids[0], scene.solids[-1]
    one, two = Wanted(a.shape), Wanted(b.shape)
    if category in ("single object", "colours"):
        if len(scene.solids) != 1:
            return
        if category == "single object":
            true, false = Requirement((one,)), Requirement((Wanted(_other(SHAPES, i, a.shape)),))
        else:
            true = Requirement((replace(one, colour=a.colour),))
            false = Requirement((replace(one, colour=_other(COLOURS, i, a.colour)),))
    elif len(scene.solids) != 2 or a.shape == b.shape:
        return
    elif category == "two objects":
        true, false = Requirement((one, two)), Requirement((one, Wanted(_other(SHAPES, i, a.shape, b.shape))))
    elif category == "position":
        stated = scene.related(0, 1)
        if not stated:
            return
        true = Requirement((one, two), relation=stated[i % len(stated)])
        false = replace(true, relation=OPPOSITE[true.relation])
    elif a.colour == b.colour:
        return
    else:
        true = Requirement((replace(one, colour=a.colour), replace(two, colour=b.colour)))
        false = Requirement((replace(one, colour=b.colour), replace(two, colour=a.colour)))
    yield Choice(i, text(true), text(false))


def _other(names: Sequence[str], i: int, *not_these: str) -> str:
    """One of the other names; which one depends on the scene's number alone."""
    left = [n for n in names if n not in not_these]
    return left[i % len(left)]


@torch.inference_mode()
def chosen(
    arm: Arm, model: nn.Module, offered: Sequence[Choice], codes: Tensor, reader: Reader, seed: int = 0
) -> Estimate:
    """Share of `offered` in which the true caption predicts better; both see the same noise. codes [scenes,C,h,w]."""
    true, false, empty = reader([c.true for c in offered]), reader([c.false for c in offered]), reader([""])
    x0 = codes[[c.scene for c in offered]]
    better = torch.zeros(len(offered))
    for t in LEVELS:
        g = torch.Generator().manual_seed(1000 * seed + round(100 * t))
        eps = torch.randn(x0.shape, generator=g)
        x, time = (1 - t) * x0 + t * eps, torch.full((len(x0),), 1000 * t)
        error = [
            (says(arm, model, x, time, told, empty) - (eps - x0)).square().mean((1, 2, 3)) for told in (true, false)
        ]
        better += error[1] - error[0]
    return wilson(int((better > 0).sum()), len(offered))


class Measure:
    """Scores of an arm as its training asks for them: quick ones on the way, all of them at the end."""

    def __init__(self, reader: Reader, autoencoder: AutoencoderKL):
        self.reader, self.autoencoder = reader, autoencoder
        self.codes = corpus.codes(autoencoder, WEIGHTS / "autoencoder", "validation", HELD_OUT)[0]
        self.offered = {c: choices(c) for c in ASKED}

    def __call__(self, arm: Arm, model: nn.Module, seed: int, thorough: bool) -> dict[str, Estimate]:
        """ "chosen/<category>" of all categories if thorough, else of those WATCHED."""
        asked, n = (ASKED, CHOSEN) if thorough else (WATCHED, GLANCED)
        return {f"chosen/{c}": chosen(arm, model, self.offered[c][:n], self.codes, self.reader, seed) for c in asked}


def main(given: Sequence[str] | None = None) -> None:
    """Train and score all arms, one seed after the other, so that a run that is cut leaves complete seeds."""
    ask = argparse.ArgumentParser(prog="python -m experiments.metrics.arm_scores", description=main.__doc__)
    ask.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    ask.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM", help=", ".join(ARMS))
    ask.add_argument("--images", type=int, default=arms.IMAGES)
    wanted = ask.parse_args(given)
    reader, autoencoder = arms.parts()
    data, measure = arms.material(reader, autoencoder), Measure(reader, autoencoder)
    for seed in wanted.seeds:
        for name in wanted.arms:
            folder = arms.train(ARMS[name], seed, data, measure, wanted.images)
            print(f"{folder.name}: done", flush=True)


if __name__ == "__main__":
    main()
