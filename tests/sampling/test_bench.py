"""The comparison that `make bench` prints: the same pictures both ways, both timed."""

import torch

from experiments.data.prompts import CATEGORIES, prompts
from experiments.sampling.bench import batched, line, one_by_one
from experiments.sampling.generate import generate

WANTED = prompts("tune", CATEGORIES[0], 4)
CALL = dict(num_inference_steps=2, guidance_scale=3.0)


def test_both_ways_draw_the_same_pictures_and_are_timed(stable_diffusion):
    row = batched(stable_diffusion, WANTED, **CALL)
    assert row.difference < 0.5
    assert row.usual > 0 and row.ours > 0 and row.ratio == row.usual / row.ours
    assert "pictures of 4 prompts" in line(row) and "times faster" in line(row)


def test_one_by_one_agrees_with_batches_to_a_level(stable_diffusion):
    plain = one_by_one(stable_diffusion, WANTED, seed=3, **CALL)
    assert plain.shape == (4, 3, 64, 64) and plain.dtype == torch.uint8
    assert (plain.int() - generate(stable_diffusion, WANTED, 3, **CALL).int()).abs().max() <= 1
