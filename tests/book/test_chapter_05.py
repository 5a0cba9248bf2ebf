"""Chapter 5 runs from a plain shell."""

import nbformat
import pytest
from chapter_run import papermill

from experiments.artefacts import ROOT
from experiments.models.zoo import shipped
from experiments.records import record

CHAPTER = "05-rectified-flow"
CLAIMS = [f"C{k}" for k in range(25, 35)]


@pytest.fixture(scope="module")
def cells():
    return nbformat.read(ROOT / "book" / f"{CHAPTER}.ipynb", as_version=4).cells


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


def test_the_source_stores_no_outputs_and_only_literals_as_parameters(cells):
    assert not any(cell.get("outputs") for cell in cells)
    assert [cell.metadata.get("tags") for cell in cells].count(["parameters"]) == 1


def test_every_claim_states_its_rule_before_it_is_judged(cells):
    text = ["".join(cell.source) for cell in cells]
    for claim in CLAIMS:
        (stated,) = [k for k, source in enumerate(text) if f"**Rule for {{claim}}`{claim}`" in source]
        (judged,) = [k for k, source in enumerate(text) if f'run.claim(\n    "{claim}"' in source]
        assert cells[stated].cell_type == "markdown" and stated < judged


def test_solutions_are_folded_and_checked(cells):
    folded = [cell for cell in cells if "hide-input" in cell.metadata.get("tags", [])]
    assert len(folded) == sum("```{dropdown} Solution" in cell.source for cell in cells) == 4
    assert all("assert " in cell.source for cell in folded)
