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
