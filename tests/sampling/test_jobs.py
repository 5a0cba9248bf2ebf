"""The frozen list: the same for everybody, the beginning of a longer one, and no list from a folder that is not whole."""

import json
import shutil

import pytest
from coco_layout import PICTURES, SPLIT

from experiments.data.coco import CocoError
from experiments.sampling.jobs import Job, Jobs, freeze, load


@pytest.fixture
def spoilt(coco, tmp_path):
    """A copy of the small COCO, to be spoilt."""
    return shutil.copytree(coco, tmp_path / "coco")


def refused(folder, n=PICTURES, split=SPLIT) -> str:
    with pytest.raises(CocoError) as raised:
        freeze(folder, n, split)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_list_names_image_caption_and_seed(coco):
    said = json.loads((coco / "annotations" / f"captions_{SPLIT}.json").read_text())["annotations"]
    jobs = freeze(coco, PICTURES, seeds=(0, 5))
    assert len(jobs) == 2 * PICTURES and len({job.file for job in jobs.jobs}) == len(jobs)
    for job in jobs.jobs:
        of_image = [entry for entry in said if entry["image_id"] == job.image]
        first = min(of_image, key=lambda entry: entry["id"])
        assert (job.caption, job.text) == (first["id"], " ".join(first["caption"].split()))
    assert [job.seed for job in jobs.jobs] == [0, 5] * PICTURES  # seeds of one image stand together


def test_a_shorter_list_is_the_beginning_of_a_longer_one(coco):
    assert freeze(coco, PICTURES).jobs[:5] == freeze(coco, 5).jobs
    images = [job.image for job in freeze(coco, PICTURES).jobs]
    assert images != sorted(images)  # not the first n of the file, which may be of one kind


def test_the_hash_names_everything(coco):
    jobs = freeze(coco, 4)
    assert jobs.hash == freeze(coco, 4).hash
    changed = Job(**{f: getattr(jobs.jobs[0], f) for f in ("image", "caption", "seed")}, text="other words")
    assert Jobs(SPLIT, (changed, *jobs.jobs[1:])).hash != jobs.hash != freeze(coco, 5).hash
    assert Jobs("train2017", jobs.jobs).hash != jobs.hash


def test_a_saved_list_is_read_as_it_was_and_an_altered_one_is_refused(coco, tmp_path):
    jobs = freeze(coco, 4)
    path = jobs.save(tmp_path)
    assert load(path) == jobs
    path.write_text(path.read_text().replace(str(jobs.jobs[0].image), "1", 1))
    with pytest.raises(ValueError, match="was altered"):
        load(path)


@pytest.mark.parametrize(("size", "sizes"), [(5, [5, 5, 2]), (12, [12]), (50, [12])])
def test_batches_are_fixed(coco, size, sizes):
    jobs = freeze(coco, PICTURES)
    assert [len(batch) for batch in jobs.batches(size)] == sizes
    assert sum(jobs.batches(size), ()) == jobs.jobs


@pytest.mark.parametrize("n", [0, PICTURES + 1])
def test_more_pictures_than_there_are(coco, n):
    assert f"it has {PICTURES} with captions, so ask for 1 to {PICTURES}" in refused(coco, n)


def test_a_missing_picture_is_named(spoilt):
    gone = sorted((spoilt / SPLIT).iterdir())[3]
    gone.unlink()
    assert f"{SPLIT}/{gone.name} is missing: fetch the pictures again" in refused(spoilt)


def test_truncated_pictures_are_counted(spoilt):
    for file in sorted((spoilt / SPLIT).iterdir())[:3]:
        file.write_bytes(file.read_bytes()[:300])
    said = refused(spoilt)
    assert "is truncated or damaged" in said and "(and 2 more): fetch the pictures again" in said


def test_only_pictures_of_the_list_are_asked_for(spoilt):
    for job in freeze(spoilt, PICTURES).jobs[4:]:
        (spoilt / SPLIT / f"{job.image:012d}.jpg").unlink()
    assert len(freeze(spoilt, 4)) == 4


def test_captions_of_another_split(spoilt):
    path = spoilt / "annotations" / f"captions_{SPLIT}.json"
    held = json.loads(path.read_text())
    for i, entry in enumerate(held["images"]):
        entry["file_name"] = f"COCO_val2014_{entry['id']:012d}.jpg"
    path.write_text(json.dumps(held))
    assert f"captions_{SPLIT}.json is of another split: {SPLIT}/ holds none of its pictures, such as COCO_val2014_" in refused(spoilt)


def test_a_split_that_is_not_there(coco):
    assert f"has no annotations/captions_train2017.json: it has captions for {SPLIT}" in refused(coco, split="train2017")


def test_no_pictures_at_all(spoilt):
    shutil.rmtree(spoilt / SPLIT)
    assert f"has no pictures: unpack {SPLIT}.zip" in refused(spoilt)
