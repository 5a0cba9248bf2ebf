"""From a decoder's numbers to the bytes of a file, and what is plainly wrong with a picture."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

FLAGS = ("black", "constant", "non-finite", "safety-replaced")


def as_bytes(picture: Tensor, replaced: bool | None = None) -> tuple[np.ndarray, list[str]]:
    """A picture [3,H,W] in [0, 1] as uint8 [H,W,3], rounded, with the FLAGS that are true of it.

    Values that are not finite are written as 0. `replaced` is what a safety checker said; None where nobody said anything.
    """
    finite = bool(picture.isfinite().all())
    whole = (picture.float().nan_to_num(0, 0, 0).clamp(0, 1) * 255).round().to(torch.uint8)
    levels = whole.permute(1, 2, 0).contiguous().cpu().numpy()
    constant = bool(levels.min() == levels.max())
    said = {"black": not levels.any(), "constant": constant, "non-finite": not finite, "safety-replaced": bool(replaced)}
    return levels, [flag for flag in FLAGS if said[flag]]


def png(levels: np.ndarray) -> bytes:
    """A PNG file of uint8 [H,W,3]: the exact picture, packed quickly rather than tightly."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
