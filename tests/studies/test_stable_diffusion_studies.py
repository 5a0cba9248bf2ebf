"""The studies of the Stable Diffusion family: what they list, and what they make of pictures."""

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
    assert len(list(study.parts())) == 15


def test_each_member_is_a_study_of_its_own_and_one_is_also_looked_at_earlier():
    names = [study.name for study in members.STUDIES]
    assert names == [f"stable-diffusion-{name}" for name in members.MEMBERS]
    assert [list(s.parts()) for s in members.STUDIES if s.name.endswith("2.1")] == [[("told", 0), ("drawn", 0)]]
    (earlier,) = [s for s in members.STUDIES if s.name.endswith("1.5")]
    assert list(earlier.parts())[2:] == [("told", members.COMMON), ("drawn", members.COMMON)]


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
