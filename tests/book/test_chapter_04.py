"""Chapter 4 runs from a plain shell, states its rules before its numbers, and says what was not measured."""

import nbformat
import pytest
from chapter_run import papermill

from experiments.artefacts import ROOT
from experiments.models.zoo import shipped
from experiments.records import record

CHAPTER = "04-stable-diffusion"
CLAIMS = ("C18", "C19", "C20", "C21", "C22", "C23", "C24")


def cells():
    return nbformat.read(ROOT / "book" / f"{CHAPTER}.ipynb", as_version=4).cells


@pytest.mark.skipif("mini-sd1.5" not in shipped(), reason="the miniature is not trained yet")
def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill(CHAPTER, tmp_path, "-p", "scale", "smoke", "-p", "output_errors", "[0.05]")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert set(CLAIMS) == set(left["claims"])
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert {"savings", "family", "towers", "tower", "targets", "sizes", "costs", "verdicts"} <= set(left["tables"])
    shown = {"compression", "rebuilt", "timeline", "training", "rotation", "gaussian", "recovered", "steps", "brightness", "gallery"}
    assert shown <= set(left["figures"])
    found = {name: metric["value"] for name, metric in left["metrics"].items()}
    assert found["velocity/derivative"] < 1e-10 and found["velocity/x0 back"] < 1e-10 and found["velocity/as printed, plus v"] < 1e-10
    assert found["velocity/library"] < 1e-5 and found["Gaussian/simulation against formula"] < 0.1
    assert abs(found["sd1.4/U-Net"] - 860) < 1 and found["FLOPs/SD 1.5/pixels over codes"] > 64
    assert all((tmp_path / "out" / kept["file"]).is_file() for kept in left["figures"].values())


def test_every_study_that_is_read_is_named():
    """Names of studies stand as they are, so that a changed one makes the chapter stale."""
    text = "".join("".join(cell.source) for cell in cells())
    from experiments.studies import stable_diffusion_members, stable_diffusion_sizes, stable_diffusion_targets

    modules = (stable_diffusion_members, stable_diffusion_sizes, stable_diffusion_targets)
    assert all(f'"{study.name}"' in text for module in modules for study in module.STUDIES)
