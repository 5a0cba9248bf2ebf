"""Chapter 3 runs from a plain shell."""

import pytest
from chapter_run import papermill

from experiments.models.zoo import shipped
from experiments.records import record

CHAPTER = "03-adapters"
CLAIMS = {f"C{k:02d}" for k in range(9, 18)}


@pytest.mark.skipif("mini-sd1.5" not in shipped(), reason="the miniature is not trained yet")
def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill(CHAPTER, tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert CLAIMS == set(left["claims"])
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert {"methods", "inputs", "lambdas", "overview", "licences", "verdicts"} <= set(left["tables"])
    assert {"novelties", "towers", "rank", "spectrum", "maps", "convergence", "scales", "decoupled"} <= set(left["figures"])
    assert "mini-sd1.5" in {model["name"] for model in left["models"]}
    assert all(left["metrics"][f"base/{door} switched off"]["value"] < 1e-4 for door in ("weights", "features", "attention"))
    assert all((tmp_path / "out" / kept["file"]).is_file() for kept in left["figures"].values())
