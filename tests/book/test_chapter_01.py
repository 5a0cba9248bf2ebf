"""Chapter 1 runs from a plain shell."""

import pytest
from chapter_run import papermill

from experiments.models.zoo import shipped
from experiments.records import record

CHAPTER = "01-conditioning"


@pytest.mark.skipif("mini-sd1.5" not in shipped(), reason="the miniature is not trained yet")
def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill(CHAPTER, tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert {"C01", "C02", "C03", "C04", "C05"} == set(left["claims"])
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert {"mechanisms", "questions", "verdicts"} <= set(left["tables"])
    assert {"twin", "image-to-image", "training", "categories", "attention-maps", "guidance"} <= set(left["figures"])
    assert "mini-sd1.5" in {model["name"] for model in left["models"]}
    assert (
        left["metrics"]["film/difference"]["value"] < 1e-4 and left["metrics"]["attention/difference"]["value"] < 1e-4
    )
    assert all((tmp_path / "out" / kept["file"]).is_file() for kept in left["figures"].values())
