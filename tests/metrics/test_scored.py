"""Scoring goes through the manifest: a set that is incomplete, mixed, or of other captions is refused."""

import pytest
import torch
from coco_layout import SPLIT, coco_2017

from experiments.data.coco import CocoError, read
from experiments.metrics import judged, scored
from experiments.metrics.cost import Runtime
from experiments.metrics.intervals import Estimate
from experiments.metrics.listing import HERE
from experiments.sampling.jobs import freeze
from experiments.sampling.sets import Set, SetError, complete

N = 6


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return coco_2017(tmp_path_factory.mktemp("coco"), 8)


@pytest.fixture
def made(coco, tmp_path):
    """A set of six pictures in batches of four, with the second batch still to be written."""
    identity = {"system": "sd1.5", "revisions": {"a/b": "c0ffee"}}
    begun = Set.begin(tmp_path, freeze(coco, N), identity, lambda: {"batch": 4, "weights": {"unet/model.safetensors": "ab"}})
    begun.write(0, pictures(4), None, 1.0)
    return begun


def pictures(n):
    return torch.rand(n, 3, 48, 48, generator=torch.Generator().manual_seed(n))


class Colours(torch.nn.Module):
    """Features that cost nothing: the mean of each channel, and its deviation."""

    def forward(self, images):
        x = images.float().flatten(2) / 255
        return torch.cat([x.mean(2), x.std(2)], 1)


BY = judged.Panel(Colours(), None, None, None, {"inception-v3": "fe" * 32})
SPENT = scored.Cost(Runtime(3.0, ((1.0, 2.0),)), {1: Estimate(1.5, 1.0, 2.0, 2, ""), 4: Estimate(1.1, 1.0, 1.2, 2, "")}, 900.0, {"unet": 10}, 7)


def test_an_incomplete_and_a_mixed_set_are_refused(made):
    with pytest.raises(SetError, match="4 of 6 pictures"):
        complete(made.folder)
    made.write(1, pictures(2), None, 1.0)
    made.finish()
    assert len(complete(made.folder)) == N
    drawn = next((made.folder / "pictures").glob("*.png"))
    drawn.write_bytes(drawn.read_bytes() + b"\n")
    with pytest.raises(SetError, match="mixed"):
        complete(made.folder)


def test_a_complete_set_becomes_a_row_whose_cells_say_what_is_behind_them(made, coco):
    made.write(1, pictures(2), [False, True], 1.0)
    made.finish()
    drawn, folder = complete(made.folder), read(coco, SPLIT)
    places = scored.order(coco, SPLIT, N)
    scored.belongs(drawn, folder, places)
    said = [folder.captions[i][0] for i in places]
    assert said == [job.text for job in drawn.jobs.jobs]
    real = judged.look(torch.stack([folder.image(i, 48) for i in places]), said, BY)
    row = scored.measured(drawn, scored.drawn_pictures(drawn, BY), real, BY, SPENT)
    assert (row.model, row.who) == ("Stable Diffusion 1.5", HERE)
    cell = row.cells["FID"]
    assert cell.n == N and cell.about["sha256"] == "fe" * 32 and cell.about["flags"]["safety-replaced"] == 1
    assert cell.about["list"] == drawn.jobs.hash and "299" in cell.about["resize"]
    assert row.weights == scored.weights(drawn)
    assert "CLIP score" not in row.cells and row.cells["denoised"].value == 1.0 and row.cells["best batch"].value == 4
    assert scored.revision(drawn) == "c0ffee" and len(scored.weights(drawn)) == 64


def test_a_set_of_other_captions_is_refused(made, coco):
    made.write(1, pictures(2), None, 1.0)
    made.finish()
    with pytest.raises(CocoError, match="other captions"):
        scored.belongs(complete(made.folder), read(coco, SPLIT), scored.order(coco, SPLIT, N)[::-1])


def test_a_folder_of_releases_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError, match="hub cache"):
        scored.only("nowhere")
