"""A sheet: pictures along three axes in one file, beside a figure of the record, which the book shows with sliders.

The figure itself is a plain one and stands where no script runs. Beside `<figure>.png` lie `<figure>-sheet.webp`, whose
tiles stand in rows (first axis, then third) and columns (second axis), and `<figure>-sheet.json`, which says so.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.artefacts import atomic_write, write_json
from experiments.records.record import slug

LARGEST = 1_000_000  # bytes


def save(folder: str | Path, figure: str, pictures: np.ndarray, axes: Mapping[str, Sequence[str]], start: Sequence[int]) -> Path:
    """Write uint8 `pictures` [A,B,C,H,W,3] of the three `axes` (name to labels) and where the sliders `start`.

    Raises ValueError where axes and pictures do not agree, or the file would be larger than LARGEST.
    """
    from PIL import Image

    pictures = np.asarray(pictures, dtype=np.uint8)
    lengths = tuple(len(labels) for labels in axes.values())
    if pictures.ndim != 6 or pictures.shape[:3] != lengths or len(start) != 3:
        raise ValueError(f"a sheet has three axes of pictures [H,W,3], not {pictures.shape} for labels of lengths {lengths}")
    a, b, c, high, wide, _ = pictures.shape
    whole = pictures.transpose(0, 2, 3, 1, 4, 5).reshape(a * c * high, b * wide, 3)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "WEBP", quality=88, method=4)
    if len(buffer.getvalue()) > LARGEST:
        raise ValueError(f"the sheet {figure} takes {len(buffer.getvalue()):,} bytes of {LARGEST:,}: show fewer pictures")
    path = Path(folder) / f"{slug(figure)}-sheet.webp"
    with atomic_write(path) as handle:
        handle.write(buffer.getvalue())
    told = {"axes": [{"name": name, "labels": list(labels)} for name, labels in axes.items()], "start": list(start), "side": wide}
    write_json(path.with_suffix(".json"), told)
    return path
