"""Chapter 3 runs from a plain shell."""

import nbformat
import pytest
from chapter_run import papermill

from experiments.artefacts import ROOT
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


def test_the_source_stores_no_outputs_and_only_literals_as_parameters():
    cells = nbformat.read(ROOT / "book" / f"{CHAPTER}.ipynb", as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells)
    assert [cell.metadata.get("tags") for cell in cells].count(["parameters"]) == 1


def test_every_claim_states_its_rule_before_it_is_judged():
    cells = nbformat.read(ROOT / "book" / f"{CHAPTER}.ipynb", as_version=4).cells
    text = ["".join(cell.source) for cell in cells]
    for claim in sorted(CLAIMS):
        (stated,) = [k for k, source in enumerate(text) if f"**Rule for {{claim}}`{claim}`.**" in source]
        (judged,) = [k for k, source in enumerate(text) if f'run.claim(\n    "{claim}"' in source]
        assert cells[stated].cell_type == "markdown" and stated < judged


def test_solutions_are_folded_and_checked():
    cells = nbformat.read(ROOT / "book" / f"{CHAPTER}.ipynb", as_version=4).cells
    folded = [cell for cell in cells if "hide-input" in cell.metadata.get("tags", [])]
    assert len(folded) == sum("```{dropdown} Solution" in cell.source for cell in cells) == 4
    assert all("assert " in cell.source for cell in folded)
