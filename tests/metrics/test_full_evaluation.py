"""The evaluation chapter at full scale on stand-ins: generate, score and the table, from folders in the hub's layout, offline."""

import json
import os
import sys

import fidelity
import pytest
from coco_layout import coco_2017

from experiments.artefacts import ROOT
from experiments.metrics import clip_score, cmmd, judged
from experiments.records import record

sys.path.append(str(ROOT / "tests" / "book"))
N = 6
INSTALLED = not os.environ.get("TORCH_FIDELITY") and not fidelity.available()  # the chapter's own process sees it too


@pytest.fixture(scope="module")
def full(tmp_path_factory, clip_folder):
    """The chapter run as the reader runs it: the notebook's folder of results, and what papermill said."""
    from chapter_run import papermill
    from hub_layout import publish

    place = tmp_path_factory.mktemp("full")
    releases = place / "releases"
    for name in ("sd1.5", "sdxl"):
        publish(name, releases)
    for name in (clip_score.RELEASED, cmmd.RELEASED):
        (releases / name).parent.mkdir(parents=True, exist_ok=True)
        (releases / name).symlink_to(clip_folder)
    if INSTALLED:
        fidelity.stand_in(releases).rename(releases / judged.INCEPTION)
    coco = coco_2017(place / "coco", 2 * N)
    file = coco / "annotations" / "captions_val2017.json"
    held = json.loads(file.read_text())
    held["annotations"].append({"id": 10**6, "image_id": held["images"][0]["id"], "caption": "A black and white photo of a group of kids."})
    file.write_text(json.dumps(held))
    given = {"scale": "full", "coco": coco, "models": "[sd1.5, sdxl, sd3]", "releases": releases, "n": N, "per_category": 1}
    given |= {"steps": 2, "resolution": 64}
    done = papermill("09-evaluation", place, *(word for key, value in given.items() for word in ("-p", key, str(value))))
    assert done.returncode == 0, done.stderr[-3000:]
    return place


def test_two_systems_stand_in_the_table_and_a_third_says_why_it_does_not(full):
    told = json.loads((full / "out" / "evaluation.json").read_text())
    here = {row["model"]: row for row in told["rows"] if row["who"] == "measured here"}
    for title in ("Stable Diffusion 1.5", "SDXL 1.0"):
        cells = here[title]["cells"]
        assert {"CMMD", "CLIP score", "seconds", "cold", "denoised", "at best batch", "memory", "parameters", "operations"} <= set(cells)
        assert ("FID" in cells) == INSTALLED
        assert cells["CLIP score"]["n"] == N and len(cells["CLIP score"]["about"]["sha256"]) == 64
        assert cells["CLIP score"]["about"]["versions"]["diffusers"] and cells["CLIP score"]["about"]["set"].startswith("sd")
    assert here["Stable Diffusion 3 medium"]["cells"] == {} and "not in the hub's cache" in here["Stable Diffusion 3 medium"]["note"]


def test_the_record_the_figures_and_the_grid_are_there(full):
    left = record.read(full / "out")
    assert {"three-prompts", "pareto"} <= set(left["figures"]) and {"all-quality", "all-cost", "rank-correlations"} <= set(left["tables"])
    assert left["claims"]["C43"]["verdict"] == "does not hold"  # the stand-in has fewer pictures than MS-COCO, and was counted
    assert {"sd1.5", "sdxl"} <= {model["name"] for model in left["models"]}
    grid = json.loads((full / "out" / "grid.json").read_text())
    assert grid["models"] == ["real picture", "sd1.5", "sdxl"] and len(grid["prompts"]) == N
    assert (full / "out" / "grid.png").is_file() and (full / "out" / "evaluation.tex").is_file()
