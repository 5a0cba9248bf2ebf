"""A sheet of pictures beside a figure: where each tile lies, and what the page is told."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments.records import sheet

AXES = {"w": ["1", "4"], "step": ["1", "2", "3"], "noise": ["a", "b"]}


def tiles(side=16):
    """Plain tiles, whose gray level says which they are."""
    levels = 20 * np.arange(12).reshape(2, 3, 2, 1, 1, 1)
    return np.broadcast_to(levels, (2, 3, 2, side, side, 3)).astype(np.uint8)


def test_tiles_lie_where_the_axes_say(tmp_path):
    path = sheet.save(tmp_path, "sheet", tiles(), AXES, [1, 2, 0])
    whole = np.asarray(Image.open(path))
    assert whole.shape == (4 * 16, 3 * 16, 3)
    for w, step, noise in [(0, 0, 0), (1, 2, 0), (0, 1, 1)]:
        tile = whole[(w * 2 + noise) * 16 :, step * 16 :][4:12, 4:12]
        assert abs(int(tile.mean()) - 20 * (w * 6 + step * 2 + noise)) <= 3
    told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["start"] == [1, 2, 0] and [a["name"] for a in told["axes"]] == list(AXES)


def test_axes_that_do_not_fit_and_files_too_large_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="a sheet has three axes"):
        sheet.save(tmp_path, "sheet", tiles()[:, :2], AXES, [0, 0, 0])
    monkeypatch.setattr(sheet, "LARGEST", 10)
    with pytest.raises(ValueError, match="bytes of 10: show fewer pictures"):
        sheet.save(tmp_path, "sheet", tiles(), AXES, [0, 0, 0])
    assert not list(tmp_path.iterdir())
