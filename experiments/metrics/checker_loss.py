"""What the checker is trained to do: put centres in their cells, and read what stands there, on spoiled pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.metrics.checker import ATTRIBUTES, CELLS, Checker, heads, normalised
from experiments.metrics.checker_data import mirrored
from experiments.metrics.faults import spoil


def loss(output: Tensor, wanted: Tensor) -> Tensor:
    """CenterNet's focal loss on centres, cross-entropy on attributes and L1 on places, the latter at true centres."""
    maps = heads(output.float())
    b, k = (~wanted[..., 0].isnan()).nonzero(as_tuple=True)
    truth = wanted[b, k]
    i, j = truth[:, 0].long(), truth[:, 1].long()
    total = focal(maps["centre"][:, 0], wanted) / len(b)
    for column, name in enumerate(ATTRIBUTES, start=6):
        total = total + F.cross_entropy(maps[name][b, :, i, j], truth[:, column].long())
    total = total + F.l1_loss(maps["offset"][b, :, i, j], truth[:, 2:4])
    return total + F.l1_loss(maps["place"][b, :, i, j], truth[:, 4:6])


def focal(logits: Tensor, wanted: Tensor) -> Tensor:
    """Penalty-reduced focal loss of the centre map [B,16,16] (CenterNet, equation 1), summed over the batch."""
    at = torch.arange(CELLS) + 0.5
    y, x = (wanted[..., 0] + wanted[..., 3])[..., None], (wanted[..., 1] + wanted[..., 2])[..., None]
    row, column = torch.exp(-((at - y) ** 2) / 2), torch.exp(-((at - x) ** 2) / 2)
    near = (row[..., :, None] * column[..., None, :]).nan_to_num(0).amax(1)
    b, k = (~wanted[..., 0].isnan()).nonzero(as_tuple=True)
    centre = torch.zeros_like(logits, dtype=torch.bool)
    centre[b, wanted[b, k, 0].long(), wanted[b, k, 1].long()] = True
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    hit, miss = (1 - p) ** 2 * p.log(), (1 - near) ** 4 * p**2 * (1 - p).log()
    return -torch.where(centre, hit, miss).sum()


def objective(checker: Checker, images: Tensor, wanted: Tensor, batch: int) -> Callable[[int, torch.Generator], Tensor]:
    """Loss of a step for `training.loop.fit`: a spoiled batch, mirrored half of the time."""

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        pick = torch.randint(len(images), (batch,), generator=generator)
        with torch.autocast("cpu", enabled=False):  # the loop's bfloat16 is for the network, not for its pictures
            x, t = spoil(normalised(images[pick]), generator), wanted[pick]
        if torch.rand((), generator=generator) < 0.5:
            x, t = x.flip(-1), mirrored(t)
        return loss(checker(x.contiguous(memory_format=torch.channels_last)), t)

    return of_step
