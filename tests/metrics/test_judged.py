"""The judges of the literature from a folder of copies; what is not there is left out and says why."""

import pytest
import torch

from experiments.metrics import judged, table
from experiments.metrics.aesthetic import RELEASED as PREDICTOR
from experiments.metrics.aesthetic import Released
from experiments.metrics.clip_score import RELEASED as CLIP
from experiments.metrics.cmmd import RELEASED as ENCODER


@pytest.fixture
def releases(tmp_path, clip_folder):
    """A hub cache with CLIP, a folder owner/name with CMMD's encoder, and nothing else."""
    cached = tmp_path / f"models--{CLIP.replace('/', '--')}"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("c0ffee")
    (cached / "snapshots").mkdir()
    (cached / "snapshots" / "c0ffee").symlink_to(clip_folder)
    (tmp_path / ENCODER).parent.mkdir(parents=True)
    (tmp_path / ENCODER).symlink_to(clip_folder)
    return tmp_path


def pictures(n=6, seed=0):
    return torch.randint(256, (n, 3, 40, 40), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


WORDS = ["a red cube", "a blue sphere"] * 3


def test_only_what_lies_in_the_folder_is_used(releases):
    by = judged.panel(releases)
    assert by.models == ("CLIP ViT-L/14", "CMMD's CLIP") and set(by.missing) == {"inception-v3", "LAION aesthetic"}
    assert by.missing["LAION aesthetic"] == f"no {PREDICTOR[0]} in the folder of releases"
    assert len(set(by.hashes.values())) == 1 and len(by.hashes["CMMD's CLIP"]) == 64


def test_a_row_has_what_the_judges_that_are_there_measured(releases):
    by = judged.panel(releases)
    drawn, real = judged.look(pictures(), WORDS, by), judged.look(pictures(seed=1), WORDS, by)
    found = judged.row(drawn, real)
    assert set(found) == {"CLIP score", "CMMD"} and found["CMMD"].n == 6
    assert set(judged.gap(drawn, drawn, real)) == {"CLIP score"}
    assert judged.gap(drawn, drawn, real)["CLIP score"].value == 0
    together = judged.joined([judged.look(pictures()[:4], WORDS[:4], by), judged.look(pictures()[4:], WORDS[4:], by)])
    assert torch.allclose(together.clip, drawn.clip, atol=1e-4) and together.n == 6


def test_a_predictor_in_the_folder_is_found_by_its_file(tmp_path):
    (tmp_path / PREDICTOR[0]).mkdir(parents=True)
    torch.save(Released().state_dict(), tmp_path / PREDICTOR[0] / PREDICTOR[1])
    by = judged.panel(tmp_path)
    assert by.models == ("LAION aesthetic",)
    assert judged.look(pictures(), WORDS, by).aesthetic.isnan().all()  # there is no CLIP to embed with


def test_our_own_judges_measure_everything(monkeypatch):
    class Features(torch.nn.Module):
        def forward(self, images):
            return images.float().flatten(1)[:, :5]

    monkeypatch.setattr(judged.table, "judges", lambda: table.Judges(Features(), None, None, ()))
    by = judged.ours()
    drawn = judged.look(pictures(), WORDS, by)
    assert set(judged.row(drawn, judged.look(pictures(seed=1), WORDS, by))) == {"FID", "KID"}


def test_what_a_cell_says_of_itself(releases):
    told = judged.about({"inception-v3": "ab"}, "inception-v3", "inception")
    assert told["sha256"] == "ab" and "299" in told["resize"] and "bicubic" in told["resize of real pictures"] and "torch" in told["versions"]


def seen(n, wide, seed, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    drawn = torch.randn(n, wide, generator=g, dtype=torch.float64) + shift
    return judged.Looked(drawn, torch.rand(n, generator=g).double(), torch.rand(n, generator=g).double(), torch.full((n, 1), float("nan")))


def test_wide_features_get_the_same_values_with_an_interval_that_costs_less(monkeypatch):
    drawn, real = seen(60, 20, 0, 0.3), seen(60, 20, 1)
    slow = judged.row(drawn, real)
    monkeypatch.setattr(judged, "WIDE", 10)
    fast = judged.row(drawn, real)
    assert {name: found.value for name, found in fast.items()} == pytest.approx({name: found.value for name, found in slow.items()})
    assert "jackknife over 20 groups" in fast["FID"].interval and fast["FID"].low < fast["FID"].value < fast["FID"].high


def test_fid_at_unlimited_n_needs_more_pictures_than_features():
    assert judged.unlimited(seen(50, 40, 0), seen(50, 40, 1)) is None
    line = judged.unlimited(seen(400, 20, 0), seen(400, 20, 1))
    assert len(line.sizes) == 6 and line.sizes[-1] == 400 and line.estimate.value < line.values[0]
