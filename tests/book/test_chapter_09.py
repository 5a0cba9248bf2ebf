"""Chapter 9 runs from a plain shell, and a mistyped parameter costs one clear line."""

import os
import subprocess
import sys

import nbformat
import pytest

from experiments.artefacts import ROOT
from experiments.models.zoo import shipped
from experiments.records import record

NOTEBOOK = ROOT / "book" / "09-evaluation.ipynb"


def papermill(folder, *parameters):
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(NOTEBOOK),
        str(folder / "out.ipynb"),
        "--no-progress-bar",
        *parameters,
    ]
    env = {**os.environ, "EXPERIMENTS_OUT": str(folder / "out"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, timeout=900)


@pytest.mark.parametrize(
    "given, said",
    [
        (("scael", "smoke"), "unknown parameter scael; did you mean scale?"),
        (("scale", "huge"), "choose one of smoke, mini, full"),
        (("seed", "abc"), "parameter seed must be a whole number such as 0, not 'abc'"),
    ],
)
def test_a_wrong_parameter_ends_the_run_with_one_line(given, said, tmp_path):
    done = papermill(tmp_path, "-p", *given)
    assert done.returncode != 0
    assert said in done.stderr.strip().splitlines()[-1]


@pytest.mark.skipif(not {"mini-sd1.5", "mini-sd3"} <= set(shipped()), reason="the miniatures are not trained yet")
def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill(tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert {"C43", "C44", "C45", "C46"} == set(left["claims"])
    assert {claim["verdict"] for claim in left["claims"].values()} == {"not testable here"}
    assert {"metrics", "categories", "lecture", "published", "larger", "verdicts"} <= set(left["tables"])
    assert {"mini-sd1.5", "mini-sd3", "checker"} <= {model["name"] for model in left["models"]}
    assert all((tmp_path / "out" / kept["file"]).is_file() for kept in left["figures"].values())


def test_the_source_stores_no_outputs_and_only_literals_as_parameters():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells)
    assert [cell.metadata.get("tags") for cell in cells].count(["parameters"]) == 1
