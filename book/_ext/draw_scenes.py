"""Draw `book/scenes.png`, the picture of the page on the data: `python book/_ext/draw_scenes.py`."""

from __future__ import annotations

from pathlib import Path

import torch
from evidence.scenes import SHOWN, SPLIT
from PIL import Image

from experiments.artefacts import atomic_write
from experiments.data.render import render
from experiments.data.scenes import sample_scene

TARGET = Path(__file__).resolve().parent.parent / "scenes.png"
ENLARGED = 2
GAP = 3
COLOURS = torch.tensor(
    [[255, 255, 255], [0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167]], dtype=torch.uint8
)


def picture() -> Image.Image:
    """Rows: picture, depth, mask, edges; one column for each scene."""
    drawn = render([sample_scene(index, split=SPLIT) for index in SHOWN])
    rows = [drawn.image, _gray(_near(drawn.depth)), _masks(drawn.mask), _gray(255 * (~drawn.edges).to(torch.uint8))]
    sheet = torch.cat([_row(row) for row in rows], dim=1)[:, :-GAP, :-GAP]
    image = Image.fromarray(sheet.permute(1, 2, 0).numpy())
    return image.resize([ENLARGED * side for side in image.size], Image.Resampling.NEAREST)


def _near(depth: torch.Tensor) -> torch.Tensor:
    low, high = depth.amin((1, 2), keepdim=True), depth.amax((1, 2), keepdim=True)
    return (255 * (high - depth) / (high - low)).round().to(torch.uint8)


def _gray(values: torch.Tensor) -> torch.Tensor:
    return values[:, None].expand(-1, 3, -1, -1)


def _masks(mask: torch.Tensor) -> torch.Tensor:
    return COLOURS[mask.long() + 1].permute(0, 3, 1, 2)


def _row(images: torch.Tensor) -> torch.Tensor:
    """Images [B,3,H,W] side by side on white, [3,H+GAP,B*(W+GAP)]."""
    return torch.cat(list(torch.nn.functional.pad(images, (0, GAP, 0, GAP), value=255)), dim=2)


if __name__ == "__main__":
    with atomic_write(TARGET) as file:
        picture().save(file, "PNG", optimize=True)
