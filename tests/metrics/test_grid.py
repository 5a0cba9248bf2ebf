"""The grid's file holds each picture where its words say."""

import pytest
import torch

from experiments.metrics import grid


def test_tiles_and_words_come_back(tmp_path):
    columns = {"a": torch.full((3, 3, 64, 64), 10, dtype=torch.uint8), "b": torch.full((3, 3, 128, 128), 200, dtype=torch.uint8)}
    columns["a"][2] = 30
    file = grid.save(columns, ["one", "two", "three"], {"a": ["right", "missing", "right"]}, tmp_path)
    told = grid.read(tmp_path)
    assert told["models"] == ["a", "b"] and told["said"] == {"a": ["right", "missing", "right"], "b": ["", "", ""]}
    rows = [grid.strip(file)[k] for k in range(2)]
    assert (rows[0].shape[1], int(rows[0][0, 0, 0]), int(rows[0][0, 130, 0]), int(rows[1][0, 0, 0])) == (192, 10, 30, 200)
    with pytest.raises(ValueError, match="a has 3 pictures for 2 prompts"):
        grid.save(columns, ["one", "two"], {}, tmp_path)
