"""What a chapter says through `Run`, and the record that it leaves."""

from __future__ import annotations

import json

import numpy
import pandas
import pytest
from matplotlib import pyplot
from PIL import Image

from experiments.records import ParameterError, Run, display, record


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_OUT", str(tmp_path / "out"))
    return tmp_path / "out"


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, as (data, metadata)."""
    found = []
    monkeypatch.setattr(display, "show", lambda data, metadata, marks=None: found.append((data, metadata)))
    return found


def drawing():
    figure, axes = pyplot.subplots(figsize=(3, 2))
    axes.plot([0, 1])
    return figure


def filled(scale="mini"):
    run = Run("a-chapter", scale=scale, seed=4)
    run.metric("accuracy/x", numpy.float32(0.5), low=0.25, high=0.75, n=12, unit="share", seeds=[0, 1], interval="95%")
    run.figure(drawing(), "a line", caption="A line.", alt="A rising line")
    run.table(
        pandas.DataFrame({"FID": [1.25, None]}, index=["a", "b|c"]), "scores", caption="Scores.", formats={"FID": ".1f"}
    )
    run.claim("C04", rule="above 0.2", verdict="holds", metric="accuracy/x", figure="a line")
    return run


def test_an_item_keeps_the_models_that_it_rests_on(out):
    run = filled()
    run.figure(drawing(), "two", caption="Two.", alt="A rising line", models=("b", "a", "b"))
    run.table(pandas.DataFrame({"x": [1]}), "none", caption="None.", models=())
    run.close()
    left = record.read(out)
    assert left["figures"]["two"]["models"] == ["b", "a"] and left["tables"]["none"]["models"] == []
    assert "models" not in left["figures"]["a line"] and {"a", "b"} <= {model["name"] for model in left["models"]}


def test_a_run_of_released_models_has_not_used_what_an_item_names_only(out):
    run = filled(scale="full")
    run.uses("released")
    run.figure(drawing(), "two", caption="Two.", alt="A rising line", models=("a miniature",))
    run.close()
    assert [model["name"] for model in record.read(out)["models"]] == ["released"]


def test_a_record_holds_what_was_said_and_where_it_ran(out):
    path = filled().close()
    left = record.read(out)
    assert path == out / "record.json"
    assert left["parameters"] == {"scale": "mini", "seed": 4}
    assert left["metrics"]["accuracy/x"] == {
        "value": 0.5, "low": 0.25, "high": 0.75, "n": 12, "unit": "share", "interval": "95%", "seeds": [0, 1],
    }  # fmt: skip
    assert left["claims"]["C04"]["verdict"] == "holds"
    assert left["seeds"] == [0, 1] and left["n"] == 12
    assert left["wall_seconds"] > 0 and left["peak_memory_mib"] > 10
    assert "numpy" in left["versions"] and left["lock_sha256"]


def test_a_finding_is_shown_with_its_verdict_and_kept_without(out, shown):
    run = filled()
    assert run.conclude("C04", "It is {accuracy/x:.0%}, and $x_{0}$ stays.") == "It is 50%, and $x_{0}$ stays."
    assert shown[-1][0]["text/markdown"] == "**C04: holds.** It is 50%, and $x_{0}$ stays."
    run.close()
    assert record.read(out)["claims"]["C04"]["finding"] == "It is 50%, and $x_{0}$ stays."


def test_a_verdict_keeps_the_models_that_it_rests_on(out):
    run = filled()
    run.claim("C05", rule="above 0.2", verdict="holds", models=("b", "a", "b"))
    run.close()
    left = record.read(out)
    assert left["claims"]["C05"]["models"] == ["b", "a"] and "models" not in left["claims"]["C04"]
    assert {"a", "b"} <= {model["name"] for model in left["models"]}


def test_nothing_is_concluded_before_the_verdict(out):
    with pytest.raises(KeyError, match="no verdict was recorded for C05; call `claim` before `conclude`"):
        filled().conclude("C05", "It is so.")


def test_outputs_carry_what_the_book_needs(out, shown):
    run = filled()
    run.say("Accuracy {accuracy/x:.0%} on {accuracy/x.n}, above {accuracy/x.low}; seed {seed}; $x^{2}$.")
    (figure, figure_data), (table, table_data), (text, text_data) = shown
    assert figure_data == {"record": "a-chapter", "figure": "a line", "caption": "A line.", "alt": "A rising line"}
    assert "image/png" in figure
    assert table_data["table"] == "scores"
    assert "not measured" in table["text/html"] and "1.2" in table["text/html"]
    assert "| b\\|c | not measured |" in table["text/markdown"]
    assert text["text/markdown"] == "Accuracy 50% on 12, above 0.25; seed 4; $x^{2}$."
    assert text_data == {"say": True}


def test_a_smoke_figure_is_stamped_and_its_claims_are_not_examined(out, shown):
    filled("mini").close()
    plain = numpy.asarray(Image.open(out / "a-line.png").convert("RGB")).astype(int)
    run = filled("smoke")
    run.close()
    stamped = numpy.asarray(Image.open(out / "a-line.png").convert("RGB")).astype(int)

    def reddish(image):
        return ((image[..., 0] - image[..., 1]) > 60).mean()

    assert reddish(plain) == 0
    assert reddish(stamped) > 0.01
    assert record.read(out)["claims"]["C04"]["verdict"] == "not testable here"


def test_a_number_that_was_not_recorded_cannot_be_said(out):
    run = filled()
    with pytest.raises(KeyError, match="did you mean accuracy/x"):
        run.say("{acuracy/x:.2f}")


def test_missing_values_are_not_measured_and_never_numbers(out):
    run = Run("a-chapter", scale="mini", seed=0)
    assert run.metric("fid", float("nan")) is None
    assert run.say("FID {fid:.1f}") == "FID not measured"
    assert run.interval("fid") == "not measured"
    run.close()
    assert record.read(out)["metrics"]["fid"]["value"] is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run: run.claim("C99", "r", "holds"), "no claim C99"),
        (lambda run: run.claim("C04", "r", "true"), "choose one of holds"),
        (lambda run: run.claim("C04", " ", "holds"), "rule must say"),
        (lambda run: run.figure(drawing(), "f", caption="c", alt=""), "alt must say"),
        (lambda run: run.table(pandas.DataFrame({"a": [1]}), "t", "c", formats={"b": ".1f"}), "no column b"),
    ],
)
def test_careless_calls_are_errors(out, call, words):
    with pytest.raises((KeyError, ValueError), match=words):
        call(Run("a-chapter", scale="mini", seed=0))


def test_a_record_whose_claim_has_no_evidence_is_not_written(out):
    run = Run("a-chapter", scale="mini", seed=0)
    run.claim("C04", rule="r", verdict="holds", metric="nowhere")
    with pytest.raises(record.RecordError, match="its metric nowhere was not recorded"):
        run.close()
    assert not (out / "record.json").exists()


def test_an_earlier_record_does_not_outlive_the_start_of_a_new_run(out):
    filled().close()
    Run("a-chapter", scale="mini", seed=0)
    assert not (out / "record.json").exists()


def test_a_record_with_a_missing_figure_or_a_wrong_interval_is_refused(out):
    filled().close()
    (out / "a-line.png").unlink()
    with pytest.raises(record.RecordError, match="a-line.png is missing"):
        record.read(out)
    left = json.loads((out / "record.json").read_text())
    left["metrics"]["accuracy/x"]["high"] = 0.3
    assert "outside" in record.faults(left)[0]
    left["extra"] = 1
    assert "extra" in record.faults(left)[0]


def test_the_scale_is_checked_without_a_notebook_too(out):
    with pytest.raises(ParameterError, match="choose one of smoke, mini, full"):
        Run("a-chapter", scale="huge", seed=0)


def test_a_shipped_model_brings_its_hash_and_training(out, tmp_path, monkeypatch):
    from experiments.records import weights

    (tmp_path / "mini-x").mkdir()
    (tmp_path / "mini-x" / "training.json").write_text(
        json.dumps({"images_seen": 7, "expected": {"psnr": 30, "fid": 9}, "scores": {"psnr": {"value": 31}, "fid": 8}})
    )
    monkeypatch.setattr(weights.shipped, "__defaults__", (tmp_path,))
    monkeypatch.setattr(weights.training, "__defaults__", (tmp_path,))
    run = Run("a-chapter", scale="mini", seed=0)
    run.uses("mini-x")
    run.uses("org/released", revision="abc")
    run.close()
    mini, released = record.read(out)["models"]
    assert mini["images_seen"] == 7 and mini["undertrained"] is False and len(mini["sha256"]) == 64
    assert released == {
        "name": "org/released",
        "revision": "abc",
        "sha256": None,
        "undertrained": None,
        "images_seen": None,
    }


def test_under_trained_means_a_missed_bar_in_the_metrics_own_direction():
    from experiments.records.weights import missed

    left = {
        "expected": {"psnr": 30, "fid": 9, "accuracy": 0.6},
        "scores": {"psnr": {"value": 29}, "fid": {"value": 12}},
    }
    assert missed(left) == ["psnr 29 < 30", "fid 12 > 9", "accuracy not measured"]
