"""Chapter 9 runs from a plain shell."""

import json

import pytest
from chapter_run import papermill

from experiments.models.zoo import shipped
from experiments.records import record

CHAPTER = "09-evaluation"


@pytest.mark.skipif(not {"mini-sd1.5", "mini-sd3"} <= set(shipped()), reason="the miniatures are not trained yet")
def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill(CHAPTER, tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert {"C43", "C44", "C45", "C46"} == set(left["claims"])
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert {"metrics", "categories", "lecture", "published", "larger", "rank-correlations", "verdicts"} <= set(left["tables"])
    assert {"all-quality", "all-categories", "all-cost"} <= set(left["tables"]) and "pareto" in left["figures"]
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert {"lecture", "published", "measured here"} == {row["who"] for row in told["rows"]}
    assert set(shipped()) <= {row["model"] for row in told["rows"]}
    assert all((tmp_path / "out" / f"evaluation.{kind}").is_file() for kind in ("csv", "tex"))
    assert json.loads((tmp_path / "out" / "grid.json").read_text())["models"][0] == "render"
    assert {"mini-sd1.5", "mini-sd3", "checker"} <= {model["name"] for model in left["models"]}
    assert all((tmp_path / "out" / kept["file"]).is_file() for kept in left["figures"].values())
