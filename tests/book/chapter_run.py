"""A chapter run by papermill from a plain shell, as a reader would."""

import os
import subprocess
import sys

from experiments.artefacts import ROOT


def papermill(chapter, folder, *parameters):
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(ROOT / "book" / f"{chapter}.ipynb"),
        str(folder / "out.ipynb"),
        "--no-progress-bar",
        *parameters,
    ]
    env = {**os.environ, "EXPERIMENTS_OUT": str(folder / "out"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, timeout=900)
