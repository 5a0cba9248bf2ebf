"""Chapter 5 runs from a plain shell."""

import pytest
from chapter_run import papermill

from experiments.models.zoo import shipped
from experiments.records import record

CHAPTER = "05-rectified-flow"
CLAIMS = [f"C{k}" for k in range(25, 35)]


@pytest.mark.skipif("mini-sd3" not in shipped(), reason="the miniature is not trained yet")
def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill(CHAPTER, tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert set(CLAIMS) == set(left["claims"])
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert {"cards", "reflow", "evaluations", "swaps", "members", "forgetting", "qk", "verdicts"} <= set(left["tables"])
    assert {"two-paths", "plane-errors", "signs", "crossing", "reflow-steps", "evaluations", "swaps", "text-states", "qk-rates"} <= set(left["figures"])
    value = {name: found["value"] for name, found in left["metrics"].items()}
    assert value["line/derivative"] < 1e-6 and value["Gaussian/map"] < 1e-3 and value["Gaussian/one step after reflow"] < 1e-5
    assert value["plane/distance of end points"] < 1e-4
    assert value["sign/turned"] > 0.8 > 0.2 > value["sign/printed"]
    assert all((tmp_path / "out" / kept["file"]).is_file() for kept in left["figures"].values())
