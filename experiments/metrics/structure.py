"""Reads structure from a picture of a scene: where solids are and how far away, outlines, places, and how cubes are turned.

Fidelity to a condition map is a comparison of pixels, for which the checker, that reads solids, is too coarse. Masks and depth are read
by a small network, trained on renders alone (`structure_training`); outlines by the gradient of the picture, as Canny's edges are; places
by the checker; rotation by trying: the scene is rendered again with each cube turned, and the best match counts. What each of these says
of the renders themselves is the ceiling of every fidelity that it measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from experiments.artefacts import ROOT
from experiments.data.maps import FAR, NEAR
from experiments.data.render import Rendering, render
from experiments.data.scenes import Scene
from experiments.metrics.checker import Detection, conv, normalised

FOLDER = ROOT / "weights" / "structure-reader"
MAPS = ("solid", "depth")
STEEP = 0.14  # change of a colour, of its whole range, from a pixel to the next but one, that makes an edge
TURNS = 18  # rotations that are tried, over the quarter turn after which a cube looks the same
LOST = 16.0  # pixels: the error of a solid that is not there, a quarter of the picture


class Structure(NamedTuple):
    """Of N pictures: solid, a probability [N,64,64], and depth in tiles from the camera [N,64,64]."""

    solid: Tensor
    depth: Tensor


class Reader(nn.Module):
    """[B,3,64,64] float in [-1,1] to maps [B,2,64,64] in the order of `MAPS`."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.fine, self.middle = conv(3, width), conv(width, 2 * width, stride=2)
        self.coarse = nn.Sequential(conv(2 * width, 4 * width, stride=2), conv(4 * width, 4 * width), conv(4 * width, 4 * width))
        self.join, self.last = conv(6 * width, 2 * width), conv(3 * width, width)
        self.read = nn.Conv2d(width, len(MAPS), 1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images)
        middle = self.middle(fine)
        wide = self.join(torch.cat([middle, F.interpolate(self.coarse(middle), scale_factor=2)], 1))
        return self.read(self.last(torch.cat([fine, F.interpolate(wide, scale_factor=2)], 1)))


@lru_cache(maxsize=1)
def load(folder: Path = FOLDER) -> Reader:
    """The trained reader. FileNotFoundError says how to train one."""
    from safetensors.torch import load_file

    if not (folder / "model.safetensors").exists():
        raise FileNotFoundError(f"no reader in {folder.name}/: train it with `python -m experiments train structure-reader`")
    reader = Reader()
    reader.load_state_dict(load_file(folder / "model.safetensors"))
    return reader.eval()


@torch.no_grad()
def read(images: Tensor, reader: Reader | None = None) -> Structure:
    """The structure of uint8 pictures [N,3,64,64]."""
    reader = reader or load()
    maps = torch.cat([reader(normalised(part)) for part in images.split(100)])
    return Structure(maps[:, 0].sigmoid(), FAR - (FAR - NEAR) * maps[:, 1])


def overlap(found: Structure, truth: Rendering) -> np.ndarray:
    """Intersection over union of the pixels that show a solid, in each picture."""
    a, b = found.solid > 0.5, truth.mask >= 0
    return ((a & b).flatten(1).sum(1) / (a | b).flatten(1).sum(1).clamp_min(1)).numpy()


def outline(pictures: Tensor, truth: Rendering) -> np.ndarray:
    """F1 of the edge pixels of each uint8 picture [N,3,64,64]; one pixel aside still counts."""
    a, b = steep(pictures).float()[:, None], truth.edges.float()[:, None]
    near_a, near_b = (F.max_pool2d(x, 3, 1, 1) for x in (a, b))
    precision = (a * near_b).flatten(1).sum(1) / a.flatten(1).sum(1).clamp_min(1)
    recall = (b * near_a).flatten(1).sum(1) / b.flatten(1).sum(1).clamp_min(1)
    return (2 * precision * recall / (precision + recall).clamp_min(1e-9)).numpy()


def steep(pictures: Tensor) -> Tensor:
    """Where a colour changes fast, bool [N,64,64]."""
    x = F.pad(pictures.float() / 255, (1, 1, 1, 1), mode="replicate")
    across, down = x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2], x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]
    return (across.square() + down.square()).sqrt().amax(1) > STEEP


def depth_error(found: Structure, truth: Rendering) -> np.ndarray:
    """Mean absolute error of the depth, in tiles, where there is a solid in the map or in the picture."""
    where = (found.solid > 0.5) | (truth.mask >= 0)
    error = (found.depth - truth.depth.clamp_max(FAR)).abs() * where
    return (error.flatten(1).sum(1) / where.flatten(1).sum(1).clamp_min(1)).numpy()


def distance(found: Sequence[Sequence[Detection]], truth: Rendering) -> np.ndarray:
    """Mean distance in pixels from each solid to its detection, in each picture; `LOST` for one that has none so near."""
    means = []
    for seen, boxes in zip(found, truth.boxes):
        boxes = boxes[boxes[:, 0].isfinite()]
        centres = ((boxes[:, :2] + boxes[:, 2:]) / 2).numpy()
        places = np.array([[d.column, d.row] for d in seen]).reshape(-1, 2)
        gaps = np.linalg.norm(centres[:, None] - places[None], axis=-1).clip(max=LOST)
        rows, columns = linear_sum_assignment(gaps)
        means.append((gaps[rows, columns].sum() + LOST * (len(centres) - len(rows))) / len(centres))
    return np.array(means)


def turned(pictures: Tensor, scenes: Sequence[Scene], truth: Rendering) -> np.ndarray:
    """Error of the rotation of each cube of the scenes in degrees, 0 to 45 (22.5 by chance), one value a cube."""
    errors, gray = [], pictures.float().mean(1)
    for i, scene in enumerate(scenes):
        for k, solid in enumerate(scene.solids):
            if solid.shape == "cube" and truth.boxes[i, k].isfinite().all():
                x0, y0, x1, y1 = truth.boxes[i, k].round().int().tolist()
                box = (..., slice(max(y0 - 1, 0), y1 + 1), slice(max(x0 - 1, 0), x1 + 1))
                angles = [solid.rotation + step * np.pi / 2 / TURNS for step in range(TURNS)]
                others = [replace(scene, solids=tuple(replace(s, rotation=a) if s is solid else s for s in scene.solids)) for a in angles]
                tried = _standard(render(others).image.float().mean(1)[box])
                best = int((tried * _standard(gray[i : i + 1][box])).sum((1, 2)).argmax())
                errors.append(min(best, TURNS - best) * 90 / TURNS)
    return np.array(errors)


def _standard(boxes: Tensor) -> Tensor:
    """Brightness [B,h,w] with mean 0 and norm 1: what is left of a picture when its colours do not count."""
    centred = boxes - boxes.mean((1, 2), keepdim=True)
    return centred / centred.norm(dim=(1, 2), keepdim=True).clamp_min(1e-6)
