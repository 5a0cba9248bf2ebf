"""Rows of the table, differences of two rows, published figures, the Gaussian surrogate: against answers known otherwise."""

import re

import numpy as np
import pytest
import torch

from experiments.artefacts import ROOT
from experiments.metrics import surrogate, table
from experiments.metrics.frechet import fid, reference
from experiments.metrics.intervals import Estimate
from experiments.metrics.published import LECTURE, PUBLISHED, SOURCES, published


def seen(n=60, d=12, shift=0.0, seed=0):
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(n, d, generator=g, dtype=torch.float64) + shift
    return table.Seen(features, 20 + shift + torch.randn(n, generator=g).double(), 5 - shift + torch.zeros(n).double())


def test_a_row_has_the_values_of_its_metrics_and_their_n():
    real, drawn = seen(seed=1).features, seen(shift=0.5)
    found = table.row(drawn, real)
    assert tuple(found) == table.METRICS
    assert found["FID"].value == pytest.approx(fid(drawn.features, reference(real)))
    assert found["CLIP score"].value == pytest.approx(float(drawn.clip.mean()))
    assert all(e.n == 60 and e.low <= e.value <= e.high for e in found.values())


def test_unequal_n_is_refused_because_fid_depends_on_n():
    with pytest.raises(ValueError, match="60 pictures against 59 real ones: FID compares at equal n only"):
        table.row(seen(), seen().features[:59])
    with pytest.raises(ValueError, match="no pairs"):
        table.gap(seen(), seen(n=59), seen().features)


def test_a_gap_is_zero_with_itself_and_signed_as_second_minus_first():
    near, far, real = seen(shift=0.1), seen(shift=1.0), seen(seed=1).features
    assert all(e.value == e.low == e.high == 0 for e in table.gap(near, near, real).values())
    gap = table.gap(near, far, real)
    assert gap["FID"].low > 0 and gap["KID"].low > 0
    assert gap["CLIP score"].low > 0 and gap["aesthetic"].high < 0
    assert gap["FID"].value == pytest.approx(-table.gap(far, near, real)["FID"].value)


def test_pairing_makes_the_interval_of_a_gap_narrower_than_that_of_its_parts():
    a = seen(seed=3)
    b = a._replace(clip=a.clip + 0.01)
    gap = table.gap(a, b, seen(seed=1).features)["CLIP score"]
    assert gap.value == pytest.approx(0.01) and gap.high - gap.low < 1e-9


def test_a_judge_that_is_not_there_leaves_its_columns_out():
    blind = seen()._replace(clip=torch.full((60,), float("nan")))
    real = seen(seed=1).features
    assert set(table.row(blind, real)) == set(table.gap(blind, seen(), real)) == {"FID", "KID", "aesthetic"}


def test_our_clip_is_shown_pictures_as_its_training_shows_them():
    from experiments.metrics.clip_score import pixels
    from experiments.training.autoencoder import to_tensor

    images = torch.randint(256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert torch.allclose(pixels(images, **table.SceneClip().preprocessing), to_tensor(images), atol=1e-6)


def test_join_puts_batches_back_in_order():
    whole = seen()
    parts = [table.Seen(*(x[i : i + 25] for x in whole)) for i in range(0, 60, 25)]
    assert all(torch.equal(a, b) for a, b in zip(table.join(parts), whole))
    assert whole.first(7).n == 7


def test_three_prompts_lead_as_often_as_counting_says():
    right = np.zeros((10, 2), dtype=bool)
    right[:4, 1], right[4:5, 0] = True, True  # four prompts that only the second does, one that only the first does
    assert table.leads(right, 1) == pytest.approx(0.4)
    draws = np.random.default_rng(0).permuted(np.tile(np.arange(10), (40_000, 1)), axis=1)[:, :3]
    counted = np.mean(right[draws, 1].sum(1) > right[draws, 0].sum(1))
    assert table.leads(right, 3) == pytest.approx(counted, abs=0.01)
    assert table.leads(right, 10) == pytest.approx(1.0)
    assert table.leads(right[:, ::-1], 10) == pytest.approx(0.0)


def test_the_interval_of_leading_holds_its_value():
    right = np.random.default_rng(1).random((60, 2)) < [0.4, 0.7]
    chance = table.leads_interval(right, 3)
    assert chance.low < chance.value < chance.high and chance.n == 60


def test_what_was_not_measured_is_left_empty():
    frame = table.frame({"a": {"FID": Estimate(1.234, 1.0, 2.0, 9, "")}, "b": {}}, {"FID": ".1f", "KID": ".3f"})
    assert frame.loc["a", "FID"] == "1.2 (1.0 to 2.0)"
    assert frame.loc["b"].isna().all() and frame["KID"].isna().all()


def test_captions_take_id_and_noise_from_the_picture():
    from experiments.data.coco import Coco, Picture
    from experiments.metrics.larger import prompts

    coco = Coco(ROOT, "test", tuple(Picture(i, f"{i}.png", 64, 64) for i in (1, 2)), (("first", "second"), ("third",)))
    assert [(p.id, p.text) for p in table.captions(coco, 0, 2)] == [("test/1", "first"), ("test/2", "third")]
    assert [p.id for p in prompts(0, 2)] == ["test/1", "test/2"]


# ---- published figures ----------------------------------------------------------------------------------------------

def test_every_published_figure_names_a_source_of_the_bibliography():
    keys = re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert {p.source for p in PUBLISHED} == set(SOURCES) and set(SOURCES) <= set(keys)


def test_the_lecture_s_table_has_the_ends_that_its_claim_states():
    assert (min(r.fid for r in LECTURE), max(r.fid for r in LECTURE)) == (146.23, 159.25)
    assert (min(r.clip for r in LECTURE), max(r.clip for r in LECTURE)) == (27.76, 28.54)
    assert (min(r.seconds for r in LECTURE), max(r.seconds for r in LECTURE)) == (1.05, 36.65)


def test_a_figure_that_nobody_published_is_an_error():
    assert published("SD1.5, 25 steps", "FID", 5_000) == 20.1
    with pytest.raises(KeyError, match="no published FID of FLUX.1"):
        published("FLUX.1", "FID", 5_000)


# ---- the surrogate --------------------------------------------------------------------------------------------------

SHAPE = surrogate.power_law(48, 1.0)


def sampled(n, seeds=range(6)):
    """FID of two samples drawn row by row."""
    found = []
    for seed in seeds:
        g = torch.Generator().manual_seed(seed)
        x, y = (torch.randn(n, 48, generator=g, dtype=torch.float64) * SHAPE.sqrt() for _ in range(2))
        found.append(fid(x, reference(y)))
    return np.mean(found)


@pytest.mark.parametrize("n", [20, 49, 120, 500])
def test_the_bias_is_the_fid_of_two_samples_of_one_gaussian(n):
    assert np.mean([surrogate.bias(n, SHAPE, s) for s in range(6)]) == pytest.approx(sampled(n), rel=0.12)


def test_far_above_the_dimension_the_first_order_is_the_bias():
    assert np.mean([surrogate.bias(5_000, SHAPE, s) for s in range(6)]) == pytest.approx(surrogate.first_order(5_000, SHAPE), rel=0.05)


def test_the_bias_scales_with_the_spectrum():
    assert surrogate.bias(20, 7 * SHAPE) == pytest.approx(7 * surrogate.bias(20, SHAPE))


def test_the_spectrum_of_features_is_that_of_their_covariance():
    x = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 3.0, 2.0])
    assert surrogate.spectrum(x).tolist() == pytest.approx([9, 4, 1], rel=0.05)


def test_the_number_of_pictures_for_a_level_lies_on_the_curve():
    sizes, values = (50, 100, 200, 400), (8.0, 4.0, 2.0, 1.0)
    assert surrogate.images_for(4.0, sizes, values) == pytest.approx(100)
    assert surrogate.images_for(3.0, sizes, values) == pytest.approx(400 / 3)
    assert np.isnan(surrogate.images_for(9.0, sizes, values))


# ---- the larger run -------------------------------------------------------------------------------------------------

def test_a_larger_run_is_read_only_for_the_weights_that_it_was_made_with(tmp_path, monkeypatch):
    from experiments.metrics import larger

    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path))
    monkeypatch.setattr(larger, "FOLDER", tmp_path)
    monkeypatch.setattr(larger, "PART", 40)
    monkeypatch.setattr(larger, "judges", lambda: None)
    monkeypatch.setattr(larger, "key", lambda name, by, seed=0: "today")
    monkeypatch.setattr(larger.zoo, "load", lambda name: None)
    monkeypatch.setattr(larger.zoo, "shipped", lambda: ("mini-sd3",))
    monkeypatch.setattr(larger, "draw", lambda pipeline, prompts, by, seed, **call: seen(len(prompts), seed=len(prompts)))

    assert larger.recorded("mini-sd3", None) is None
    made = larger.run("mini-sd3", 100)
    kept = larger.recorded("mini-sd3", None)
    assert kept.n == 100 and torch.allclose(kept.features, made.features, atol=2e-3)
    monkeypatch.setattr(larger, "key", lambda name, by, seed=0: "other weights")
    assert larger.recorded("mini-sd3", None) is None
