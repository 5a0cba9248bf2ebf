"""The studies of the Stable Diffusion family: what they list, and what they make of pictures."""

from types import SimpleNamespace

import pytest
import torch

from experiments.studies import stable_diffusion_members as members
from experiments.studies import stable_diffusion_sizes as sizes
from experiments.studies import stable_diffusion_targets as targets


def test_parts_stand_in_the_order_of_seeds_so_that_a_run_that_is_cut_leaves_whole_ones():
    (study,) = targets.STUDIES
    listed = list(study.parts())
    assert len(listed) == 12 and [seed for _, seed in listed] == [0] * 4 + [1] * 4 + [2] * 4
    (study,) = sizes.STUDIES
    assert len(list(study.parts())) == 16 and list(study.parts())[-1] == sizes.HEEDED


def test_each_member_is_a_study_of_its_own_and_the_one_in_16_bits_is_also_looked_at_in_8():
    names = [study.name for study in members.STUDIES]
    assert names == [f"stable-diffusion-{name}" for name in members.MEMBERS]
    kinds = {study.name: list(study.parts()) for study in members.STUDIES}
    whole = [("told", members.SHIPPED), ("drawn", members.SHIPPED)]
    assert kinds["stable-diffusion-mini-sd2.1"] == whole
    assert kinds["stable-diffusion-mini-sd1.5"] == [*whole, ("told", members.NARROW), ("drawn", members.NARROW)]


def test_in_8_bits_the_denoiser_is_rounded_and_nothing_else(monkeypatch):
    unet = torch.nn.Linear(32, 32)
    before, pipe = unet.weight.clone(), SimpleNamespace(unet=unet)
    monkeypatch.setattr(members, "zoo", SimpleNamespace(load=lambda name: pipe, defaults=lambda name: {}))
    monkeypatch.setattr(members, "_told", lambda pipe: {"lost": float((pipe.unet.weight - before).abs().mean() / before.abs().mean())})
    assert members.measure("mini-sd1.5", "told", members.SHIPPED) == {"lost": 0.0}
    assert 0 < members.measure("mini-sd1.5", "told", members.NARROW)["lost"] < 0.05


def test_truths_survive_as_digits():
    assert members.truths(members.digits([True, False, True])) == [True, False, True]


def test_a_blurred_picture_is_less_rough():
    picture = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(picture.float(), 4).repeat_interleave(4, 2).repeat_interleave(4, 3).byte()
    assert (sizes.roughness(blurred) < sizes.roughness(picture) / 3).all()
    assert sizes.roughness(torch.full((1, 3, 8, 8), 7, dtype=torch.uint8)).item() == 0


def test_brightness_is_a_share_of_white():
    found = targets._spread(torch.stack([torch.zeros(3, 4, 4), torch.full((3, 4, 4), 255.0)]).byte())
    assert found == {"mean": 0.5, "deviation": pytest.approx(0.70711, abs=1e-5)}
