"""What a U-Net with frozen encoders has understood, by language: by choosing between two captions, and by drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from experiments.data.dataset import scenes
from experiments.data.mixed import asked, said
from experiments.data.prompts import Prompt, Requirement, Wanted
from experiments.data.scenes import COLOURS, SHAPES
from experiments.metrics.alignment import evaluate
from experiments.models.listeners import Listener, Told
from experiments.models.zoo import WEIGHTS
from experiments.training import corpus, listening

HELD_OUT = 1000  # scenes of the split `validation`
LEVELS = (600, 800)  # steps of 1000 at which two captions are compared
CATEGORIES = ("single object", "colours", "colour attribution")  # those with a mixed wording and one answer
DRAWN = CATEGORIES[:2]  # those that so little training lets a network draw
Count = list[int]  # how many are right, and of how many


@lru_cache(maxsize=4)
def offers(category: str, n: int) -> tuple[tuple[int, Requirement, Requirement], ...]:
    """Scene number, what is true of it and what is wrong in one respect: its shape, its colour, or whose colour is whose."""
    found = []
    for i, scene in enumerate(scenes("validation", 0, HELD_OUT)):
        a, b = scene.solids[0], scene.solids[-1]
        one, two = Wanted(a.shape, a.colour), Wanted(b.shape, b.colour)
        if category == "colour attribution" and len(scene.solids) == 2 and a.shape != b.shape and a.colour != b.colour:
            found.append((i, Requirement((one, two)), Requirement((replace(one, colour=b.colour), replace(two, colour=a.colour)))))
        elif category == "colours" and len(scene.solids) == 1:
            found.append((i, Requirement((one,)), Requirement((replace(one, colour=_other(COLOURS, a.colour, i)),))))
        elif category == "single object" and len(scene.solids) == 1:
            found.append((i, Requirement((Wanted(a.shape),)), Requirement((Wanted(_other(SHAPES, a.shape, i)),))))
    return tuple(found[:n])


def _other(names: Sequence[str], name: str, i: int) -> str:
    left = [n for n in names if n != name]
    return left[i % len(left)]


@torch.inference_mode()
def chosen(pipe, model: Listener, encoders: Sequence[str], category: str, spoken: str, n: int, seed: int) -> Count:
    """In how many held-out scenes the true caption predicts the noise better than the false one, chance 1/2; both see the same noise."""
    offered = offers(category, n)
    x0 = corpus.codes(pipe.vae, WEIGHTS / "autoencoder", "validation", HELD_OUT)[0][[i for i, _, _ in offered]]
    heard = [listening.told(encoders, [said(wish, spoken) for wish in side]) for side in list(zip(*offered))[1:]]
    better = torch.zeros(len(offered))
    for k in LEVELS:
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1000 * seed + k))
        kept = pipe.scheduler.alphas_cumprod[k]
        x = kept.sqrt() * x0 + (1 - kept).sqrt() * eps
        right, wrong = ((model(x, torch.full((len(x),), k), told) - eps).square().mean((1, 2, 3)) for told in heard)
        better += wrong - right
    return [int((better > 0).sum()), len(offered)]


def drawn(pipe, model: Listener, wanted: Sequence[Prompt], heard: Told, empty: Told, seed: int) -> Mapping[str, Count]:
    """How many pictures of each category show what was asked; `heard` is what is heard of each of `wanted`."""
    return counted(wanted, [v.ok for v in evaluate(wanted, listening.draw(pipe, model, wanted, heard, empty, seed))])


def counted(wanted: Sequence[Prompt], right: Sequence[bool]) -> Mapping[str, Count]:
    found: dict[str, Count] = {}
    for prompt, ok in zip(wanted, right, strict=True):
        row = found.setdefault(prompt.category, [0, 0])
        row[0], row[1] = row[0] + int(ok), row[1] + 1
    return found


def wishes(n: int, spoken: str = "en") -> list[Prompt]:
    """The first `n` test prompts of each of DRAWN in a language or a mixture."""
    return [p for category in DRAWN for p in asked("test", category, n, spoken)]


def nothing(encoders: Sequence[str], count: int) -> Told:
    """Silence, `count` times: what a model draws by itself, judged by the same wishes, is the chance level."""
    return {name: (s.expand(count, *s.shape[1:]), m.expand(count, -1)) for name, (s, m) in listening.silence(encoders).items()}


def sentences(read, texts: Sequence[str]) -> Tensor:
    """One vector of a frozen encoder for each text, [N,D]."""
    return read(texts)[2].float()


def probe(x: Tensor, y: Tensor, strength: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Ridge regression of y [N,E] on x [N,D], standardised: weights [D+1,E] and the mean and deviation of x."""
    mean, deviation = x.mean(0), x.std(0).clamp(min=1e-6)
    unit = torch.cat([(x - mean) / deviation, torch.ones(len(x), 1)], 1).double()
    keep = strength * torch.eye(unit.shape[1], dtype=torch.float64)
    return torch.linalg.solve(unit.T @ unit + keep, unit.T @ y.double()).float(), mean, deviation


def mapped(known: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
    weights, mean, deviation = known
    return torch.cat([(x - mean) / deviation, torch.ones(len(x), 1)], 1) @ weights


def nearest(asking: Tensor, among: Tensor, size: int = 64) -> Count:
    """For how many rows of `asking` its own row of `among` is the nearest by cosine, of `size` at a time."""
    a, b = (torch.nn.functional.normalize(v, dim=1) for v in (asking, among))
    hits = sum(int(((x @ y.T).argmax(1) == torch.arange(len(x))).sum()) for x, y in zip(a.split(size), b.split(size)))
    return [hits, len(a)]
