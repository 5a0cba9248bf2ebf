"""Chapter 2 runs from a plain shell."""

import json

import pytest
from chapter_run import papermill

from experiments.models.zoo import shipped
from experiments.records import record

CHAPTER = "02-guidance"
CLAIMS = ("C05", "C06", "C07", "C08")


@pytest.mark.skipif("mini-sd1.5" not in shipped(), reason="the miniature is not trained yet")
def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    """With weights of guidance that no study holds, which are drawn all the same."""
    done = papermill(CHAPTER, tmp_path, "-p", "scale", "smoke", "-p", "guidance_scales", "[1, 2.5]")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert set(CLAIMS) == set(left["claims"])
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert {"plane", "pair", "sweep", "ways", "distilled", "verdicts"} <= set(left["tables"])
    assert {"fields", "sharpened", "reading", "frontier", "sweep", "sheet", "ways", "distilled"} <= set(left["figures"])
    assert left["metrics"]["plane/classifier and classifier-free"]["value"] < 1e-4
    assert left["metrics"]["look/CLIP/2.5"]["value"] is not None
    assert all((tmp_path / "out" / kept["file"]).is_file() for kept in left["figures"].values())
    told = json.loads((tmp_path / "out" / "sheet-sheet.json").read_text(encoding="utf-8"))
    assert told["axes"][0]["labels"] == ["1", "2.5"]


@pytest.fixture
def releases(tmp_path, monkeypatch):
    """Stable Diffusion 1.5 and the CLIP judge as stand-ins: the one in the hub's cache, the other in the folder of the run."""
    import tiny_models
    from hub_layout import clip_words, publish

    from experiments.models import assemble

    publish("sd1.5", tmp_path / "hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = clip_words(length=40)
    judge = tmp_path / "openai" / "clip-vit-large-patch14"
    assemble.clip(tiny_models.row("clip"), words).save_pretrained(judge)
    words.save_pretrained(judge)
    return tmp_path


def test_the_same_cells_run_on_a_release(releases):
    """At full scale: its pictures are drawn and shown, its CLIP score is measured, and what the checker would say is not."""
    given = {"scale": "full", "model": "stable-diffusion-v1-5/stable-diffusion-v1-5", "guidance_scales": "[1, 6]", "steps": "2", "n": "1"}
    done = papermill(CHAPTER, releases, *(word for name, value in given.items() for word in ("-p", name, value)))
    assert done.returncode == 0, done.stderr[-3000:]
    left = record.read(releases / "out")
    assert left["models"][0]["name"] == given["model"]
    assert left["metrics"]["look/CLIP/6"]["value"] is not None and left["metrics"]["look/right/6"]["value"] is None
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert left["metrics"]["students/CFG, 4 steps/seconds"]["value"] > 0
