"""A set on disk: what is wrong with a picture is flagged, and only a complete, unmixed set may be scored."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.sampling.jobs import Job, Jobs
from experiments.sampling.pictures import FLAGS, as_bytes, png
from experiments.sampling.sets import Set, SetError, complete, found

JOBS = Jobs("val2017", tuple(Job(10 + i, 100 + i, 0, f"picture {i}") for i in range(5)))


def begin(out, batch=2, **identity) -> Set:
    return Set.begin(out, JOBS, {"system": "toy"} | identity, lambda: {"batch": batch})


def fill(made: Set, batches=None) -> Set:
    for k in range(len(made.batches)) if batches is None else batches:
        pictures = torch.rand(len(made.batches[k]), 3, 8, 8, generator=torch.Generator().manual_seed(k))
        made.write(k, pictures, None, 1.5)
    return made


def refused(folder) -> str:
    with pytest.raises(SetError) as raised:
        complete(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "flags"),
    [
        (torch.rand(3, 4, 4), []),
        (torch.zeros(3, 4, 4), ["black", "constant"]),
        (torch.full((3, 4, 4), 0.001), ["black", "constant"]),  # rounds to 0
        (torch.full((3, 4, 4), 0.7), ["constant"]),
        (torch.full((3, 4, 4), 7.0), ["constant"]),
        (torch.rand(3, 4, 4).index_fill(1, torch.tensor([2]), float("nan")), ["non-finite"]),
        (torch.full((3, 4, 4), float("-inf")), ["black", "constant", "non-finite"]),
    ],
)
def test_flags(picture, flags):
    assert as_bytes(picture)[1] == as_bytes(picture, False)[1] == flags
    assert as_bytes(picture, True)[1] == [*flags, "safety-replaced"]


def test_levels_are_rounded_and_the_file_keeps_them(tmp_path):
    levels, _ = as_bytes(torch.tensor([0.499, 0.501, 254.6, 300, -9]).view(1, 1, 5).expand(3, 2, 5) / 255)
    assert levels[0, :, 0].tolist() == [0, 1, 255, 255, 0]
    (tmp_path / "a.png").write_bytes(png(levels))
    assert np.array_equal(np.array(Image.open(tmp_path / "a.png")), levels)


# ---- a set in the making ---------------------------------------------------------------------------------------------


def test_whoever_begins_decides_and_others_follow(tmp_path):
    first = begin(tmp_path, batch=2)
    second = begin(tmp_path, batch=4)
    assert second.folder == first.folder and second.plan["batch"] == 2 and second.key == first.key


def test_another_plan_is_another_set(tmp_path):
    assert len({begin(tmp_path, **kind).folder for kind in ({}, {"dtype": "float16"}, {"revision": "b"}, {"steps": 3})}) == 4
    assert len(list(found(tmp_path))) == 4


def test_batches_are_dealt_out(tmp_path):
    made = begin(tmp_path)
    assert [made.left(k, 2) for k in (0, 1)] == [[0, 2], [1]]
    fill(made, [1])
    assert (made.left(), made.left(1, 2), made.there()) == ([0, 2], [], 2)


def test_a_batch_whose_picture_is_gone_is_not_done(tmp_path):
    made = fill(begin(tmp_path))
    (made.folder / "pictures" / JOBS.jobs[4].file).unlink()
    assert made.left() == [2] and not made.finish()


def test_a_torn_record_is_not_done(tmp_path):
    made = fill(begin(tmp_path))
    made.record(0).write_text("{")
    assert made.left() == [0]


def test_the_manifest_holds_every_picture_and_its_flags(tmp_path):
    made = begin(tmp_path)
    assert not made.finish()
    fill(made, [1, 2])
    made.write(0, torch.stack([torch.zeros(3, 8, 8), torch.rand(3, 8, 8)]), [False, True], 2.0)
    assert made.finish()
    said = json.loads((made.folder / "manifest.json").read_text())
    assert said["flags"] == dict(zip(FLAGS, [1, 1, 0, 1]))
    assert [entry["image"] for entry in said["pictures"]] == [job.image for job in JOBS.jobs]
    assert said["pictures"][1]["flags"] == ["safety-replaced"] and len(said["pictures"][0]["sha256"]) == 64


# ---- a set to be scored ----------------------------------------------------------------------------------------------


def test_a_complete_set_is_read(tmp_path):
    made = fill(begin(tmp_path))
    made.finish()
    drawn = complete(made.folder)
    assert len(drawn) == 5 and drawn.jobs == JOBS and set(drawn.flags.values()) == {0}
    pictures = drawn.pictures(1, 3)
    assert pictures.shape == (2, 3, 8, 8) and pictures.dtype == torch.uint8
    assert drawn.seconds == [(2, 1.5), (2, 1.5), (1, 1.5)]


def test_an_incomplete_set_is_refused(tmp_path):
    made = fill(begin(tmp_path), [0, 2])
    assert refused(made.folder).endswith("has 3 of 5 pictures: run the same `generate` again, which draws the rest")


def test_pictures_of_another_run_are_refused(tmp_path):
    made = fill(begin(tmp_path))
    Image.new("RGB", (8, 8)).save(made.folder / "pictures" / "000000000001-1-0.png")
    assert "is mixed: 1 pictures are not in its list, such as 000000000001-1-0.png" in refused(made.folder)


def test_an_altered_picture_is_refused(tmp_path):
    made = fill(begin(tmp_path))
    Image.new("RGB", (8, 8)).save(made.folder / "pictures" / JOBS.jobs[2].file)
    assert f"is mixed: {JOBS.jobs[2].file} is not the picture that was drawn" in refused(made.folder)


def test_batches_of_another_plan_are_refused(tmp_path):
    made, other = fill(begin(tmp_path)), fill(begin(tmp_path, dtype="float16"))
    shutil.copy(other.record(1), made.record(1))
    assert "has 3 of 5 pictures" in refused(made.folder)


def test_a_folder_that_is_no_set(tmp_path):
    assert "is not a set of pictures: plan.json is missing" in refused(tmp_path)
    made = fill(begin(tmp_path))
    next(tmp_path.glob("jobs-*.json")).unlink()
    assert "is not a set of pictures: jobs-" in refused(made.folder)
