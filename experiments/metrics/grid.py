"""The browsable grid: one file of tiles (a row for each prompt, a column for each model) and what stands in each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from experiments.artefacts import atomic_write, write_json

NAME, TILE = "grid", 64


def save(columns: Mapping[str, Tensor], prompts: Sequence[str], said: Mapping[str, Sequence[str]], folder: Path, tile: int = TILE) -> Path:
    """Write `grid.png` and `grid.json`: columns of uint8 pictures [K,3,H,W], the K prompts, and words under the pictures."""
    for name, pictures in columns.items():
        if len(pictures) != len(prompts):
            raise ValueError(f"{name} has {len(pictures)} pictures for {len(prompts)} prompts")
    rows = [torch.cat([_fitted(pictures[k], tile) for pictures in columns.values()], dim=2) for k in range(len(prompts))]
    sheet = torch.cat(rows, dim=1).permute(1, 2, 0).numpy()
    with atomic_write(folder / f"{NAME}.png") as file:
        Image.fromarray(sheet).save(file, "PNG", optimize=True)
    words = {name: list(said.get(name, [""] * len(prompts))) for name in columns}
    write_json(folder / f"{NAME}.json", {"tile": tile, "models": list(columns), "prompts": list(prompts), "said": words})
    return folder / f"{NAME}.png"


def _fitted(picture: Tensor, tile: int) -> Tensor:
    """uint8 [3,H,W] as [3,tile,tile]."""
    if picture.shape[-1] == picture.shape[-2] == tile:
        return picture
    return F.interpolate(picture[None], (tile, tile), mode="bicubic", antialias=True)[0]


def strip(file: Path, tile: int = TILE) -> Tensor:
    """Pictures [K,3,tile,tile] of a file that holds them side by side."""
    with Image.open(file) as image:
        wide = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    return torch.stack(wide.split(tile, dim=2))


def read(folder: Path) -> dict:
    """What `grid.json` says."""
    return json.loads((folder / f"{NAME}.json").read_text(encoding="utf-8"))
