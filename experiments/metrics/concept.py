"""Whether a picture shows what no model was trained on: linear probes for shape, texture and colour, fitted on renders alone.

The checker cannot name a tower, but what it computes on the way can tell one from the old shapes: a ridge regression on its
maps does. The probes' own errors on held-out renders stand beside what they say of drawn pictures.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.artefacts import fingerprint, source_hash, store
from experiments.data.novel import TOWER, Novelty, draw, novelty
from experiments.data.scenes import COLOURS, SHAPES
from experiments.metrics import checker
from experiments.metrics.faults import spoil
from experiments.metrics.images import to_uint8

QUESTIONS = {"shape": (*SHAPES, TOWER), "texture": ("plain", "striped"), "colour": COLOURS}
FITTED, HELD_OUT, SEED = 1200, 300, 900  # renders, and the seed of their scenes
RIDGE = 30.0


class Probe(NamedTuple):
    """A linear answer to one question: features [N,F], standardised by mean and scale, times weights [F+1,answers]."""

    mean: Tensor
    scale: Tensor
    weights: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Index of the answer for each row."""
        x = (features - self.mean) / self.scale
        return (torch.cat([x, torch.ones(len(x), 1)], 1) @ self.weights).argmax(1)


def answers(thing: Novelty) -> tuple[int, int, int]:
    """The true answers, as places in the lists of `QUESTIONS`."""
    return QUESTIONS["shape"].index(thing.solid.shape), int(thing.striped), COLOURS.index(thing.solid.colour)


@torch.no_grad()
def features(pictures: Tensor) -> Tensor:
    """What the checker computes from uint8 pictures, [N,F]: mean and maximum of its coarse map, maximum of its last one, and all maps
    where it is surest that a solid stands."""
    reader, rows = checker.load(), []
    for part in pictures.split(100):
        fine = reader.fine(checker.normalised(part))
        coarse = reader.coarse(fine)
        wide = F.interpolate(coarse, scale_factor=2)
        last = reader.join(torch.cat([fine, wide], 1))
        peak = checker.heads(reader.read(last))["centre"].flatten(1).argmax(1)
        there = [m.flatten(2)[torch.arange(len(m)), :, peak] for m in (fine, wide, last)]
        rows.append(torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3)), last.amax((2, 3)), *there], 1))
    return torch.cat(rows)


@lru_cache(maxsize=1)
def _renders() -> tuple[Tensor, Tensor]:
    path = store("concept", f"{fingerprint(source_hash('experiments.data.novel'), FITTED, HELD_OUT, SEED)[:24]}.pt")
    if not path.exists():
        things = [novelty(i, SEED) for i in range(FITTED + HELD_OUT)]
        pictures = torch.cat([draw(things[i : i + 20]) for i in range(0, len(things), 20)])
        torch.save({"pictures": pictures, "answers": torch.tensor([answers(t) for t in things])}, path)
    kept = torch.load(path, weights_only=True)
    return kept["pictures"], kept["answers"]


@lru_cache(maxsize=1)
def probes() -> dict[str, Probe]:
    """The probes, fitted on renders as they are and on the same ones spoiled as drawn pictures are."""
    pictures, right = _renders()
    clean = pictures[:FITTED]
    spoiled = to_uint8(spoil(checker.normalised(clean), torch.Generator().manual_seed(0)))
    x = torch.cat([features(clean), features(spoiled)]).double()
    mean, scale = x.mean(0), x.std(0) + 1e-6
    x = torch.cat([(x - mean) / scale, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    found = {}
    for column, (question, possible) in enumerate(QUESTIONS.items()):
        y = F.one_hot(right[:FITTED, column].repeat(2), len(possible)).double()
        weights = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
        found[question] = Probe(mean.float(), scale.float(), weights.float())
    return found


def judge(pictures: Tensor) -> dict[str, list[str]]:
    """What each uint8 picture shows, by question."""
    x = features(pictures)
    return {question: [QUESTIONS[question][k] for k in probe(x).tolist()] for question, probe in probes().items()}


def ceiling() -> dict[str, np.ndarray]:
    """Whether the probes are right on renders that they were not fitted on, by question."""
    pictures, right = _renders()
    said = judge(pictures[FITTED:])
    return {q: np.array([said[q][k] == QUESTIONS[q][right[FITTED + k, c]] for k in range(HELD_OUT)]) for c, q in enumerate(QUESTIONS)}
