"""A staged book to test on, with its chapter, record and training record; every number is invented."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import yaml

from experiments.artefacts import ROOT

CHAPTER = "01-conditioning"
FIGURE, TABLE = "attention-maps", "mechanisms"
CAPTION, ALT = "Accuracy of $w = 3$ by mechanism.", "A bar for each mechanism; cross-attention is the highest."
PIPES = """| mechanism | model | accuracy | note |
| --- | --- | --- | --- |
| cross-attention | mini-sd1.5 | 0.913 [0.87, 0.95] | a \\| b |
| additive | none | not measured |  |"""
WIDE = "<table class='dataframe'><tr>" + "<td>a_wide_cell_of_a_frame</td>" * 12 + "</tr></table>"
SAID = "Cross-attention reaches 0.913 and $w^2$ stays a formula {cite:p}`ho2022cfg`."


def metric(
    value: float | None, low: float | None = None, high: float | None = None, n: int | None = None
) -> dict[str, Any]:
    interval = None if low is None else "95% over 3 seeds (t)"
    return {"value": value, "low": low, "high": high, "n": n, "unit": "share", "interval": interval, "seeds": [0, 1, 2]}


def record(**changes: Any) -> dict[str, Any]:
    """A record in the form of `experiments.records.record`."""
    made = {
        "schema": 1,
        "name": CHAPTER,
        "scale": "mini",
        "parameters": {"scale": "mini", "seed": 0},
        "models": [
            {"name": "mini-sd1.5", "revision": None, "sha256": "ab" * 32, "undertrained": False, "images_seen": 124000},
            {"name": "mini-sd3", "revision": None, "sha256": "cd" * 32, "undertrained": True, "images_seen": 7000},
        ],
        "seeds": [0, 1, 2],
        "n": 600,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "dirty": False,
        "lock_sha256": "ef" * 32,
        "versions": {"torch": "2.13.0", "diffusers": "0.42.1"},
        "python": "3.11.9",
        "device": "cpu",
        "cpu": "Example CPU, 2 cores",
        "dtype": "float32",
        "started": "2026-01-02T03:04:05+00:00",
        "wall_seconds": 192.4,
        "peak_memory_mib": 2048.0,
        "metrics": {
            "accuracy/cross-attention": metric(0.9132, 0.8712, 0.9512, 600),
            "accuracy/additive": metric(None),
        },
        "claims": {
            "C04": {
                "rule": "Accuracy above 0.5 by the 95% interval.",
                "verdict": "holds",
                "metric": "accuracy/cross-attention",
                "figure": FIGURE,
                "statement": "Pixels look at words.",
                "note": None,
            },
            "C03": {
                "rule": "Scale and shift beat addition.",
                "verdict": "mixed",
                "metric": "accuracy/additive",
                "figure": TABLE,
                "statement": "Adaptive normalisation.",
                "note": "one seed of three",
            },
            "C10": {
                "rule": "Rank four is enough.",
                "verdict": "does not hold",
                "metric": "accuracy/cross-attention",
                "figure": FIGURE,
                "statement": "LoRA.",
                "note": None,
                "finding": "Of the concept 0.25 is left, and $W + BA$ stays a formula.",
                "models": ["mini-sd3"],
            },
        },
        "figures": {FIGURE: {"file": "attention-maps.png", "caption": CAPTION, "alt": ALT}},
        "tables": {TABLE: {"file": "mechanisms.csv", "caption": "What each mechanism reaches. " * 4, "models": ["mini-sd1.5"]}},
    }
    return made | changes


def training() -> dict[str, Any]:
    return {
        "recipe": "mini-sd1.5",
        "mirrors": "stable-diffusion-v1-5",
        "objective": "epsilon",
        "parameters": 2800000,
        "images_seen": 124000,
        "images_budget": 400000,
        "seconds_spent": 1500.0,
        "device": "cpu",
        "dtype": "float32",
        "curve": [[64, 1.0], [124000, 0.1]],
        "evaluations": [],
        "expected": {"single object": 0.9},
        "scores": {"single object": {"value": 0.42, "low": 0.40, "high": 0.44, "n": 100}},
        "code_sha256": "ab" * 32,
        "data_sha256": "cd" * 32,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "versions": {"torch": "2.13.0"},
    }


def study() -> dict[str, Any]:
    """What a study leaves, in the form of `experiments.studies.study`."""
    parts = [{"part": [3.0, 0], "result": {"fid": 1.5}, "seconds": 71.0}]
    return {"study": "guidance-sweep", "made_of": "ab" * 32, "settings": {"n": 334}, "seconds": 71.0, "cpu": "x86_64",
            "device": "cpu", "threads": 1, "versions": {"torch": "2.13.0"}, "parts": parts}  # fmt: skip


def picture() -> bytes:
    """A PNG, wider than a phone."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (900, 300), (0, 114, 178)).save(buffer, "PNG")
    return buffer.getvalue()


def notebook(chapter: str = CHAPTER) -> nbformat.NotebookNode:
    """A chapter as its promotion leaves it: code, a printed line, a figure, a table and a sentence from the record."""
    named = {"record": chapter, "caption": CAPTION, "alt": ALT}
    png = base64.b64encode(picture()).decode()
    outputs = [
        nbformat.v4.new_output("stream", text="epoch 1 of 1\n"),
        nbformat.v4.new_output("stream", name="stderr", text="Loading: 100%\n"),
        nbformat.v4.new_output(
            "display_data", {"image/png": png, "text/plain": ALT}, metadata={"experiments": {**named, "figure": FIGURE}}
        ),
        nbformat.v4.new_output(
            "display_data",
            {"text/html": "<table></table>", "text/markdown": PIPES},
            metadata={"experiments": {"record": chapter, "table": TABLE, "caption": "What each mechanism reaches."}},
        ),
        nbformat.v4.new_output("stream", text="done\n"),
        nbformat.v4.new_output("execute_result", {"text/html": WIDE, "text/plain": "wide"}, execution_count=1),
        nbformat.v4.new_output("display_data", {"text/markdown": SAID}, metadata={"experiments": {"say": True}}),
    ]
    wide = "$$" + " + ".join(f"a_{{{k}}}" for k in range(14)) + r" = \text{a long formula}$$"
    text = (
        "# 1 Conditioning\n\nThe accuracy is {metric}`01-conditioning:accuracy/cross-attention`, or "
        "{number}`01-conditioning:accuracy/cross-attention .1f`; {metric}`01-conditioning:accuracy/additive`; "
        "{number}`01-conditioning:nothing`. See {numref}`fig-01-conditioning-attention-maps`, "
        "{numref}`tab-01-conditioning-mechanisms`, {claim}`C04` and `a-name=that/is-longer-than/the-line-of-a-telephone`.\n\n" + wide
    )
    lines = ["train(" + ", ".join(f"option_{k}={k}" for k in range(20)) + ")", *(f"draw({k})" for k in range(12))]
    code = nbformat.v4.new_code_cell("\n".join(lines), outputs=outputs)
    code.execution_count = 1
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(text), code],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def contents(folder: Path, chapters: list[str]) -> None:
    """The project's table of contents with these chapters in place of its own."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    parts = [part for part in toc["parts"] if not any(re.search(r"/\d", entry["file"]) for entry in part["chapters"])]
    mine = [{"caption": "Chapters", "chapters": [{"file": f"book/{name}"} for name in chapters]}] if chapters else []
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc | {"parts": mine + parts}, sort_keys=False))


def write(folder: Path, made: dict[str, Any] | None = None) -> None:
    """Chapter, record and training record into the staged book `folder`."""
    results = folder / "book" / "results" / CHAPTER
    results.mkdir(parents=True)
    (results / "record.json").write_text(json.dumps(made or record()))
    (results / "attention-maps.png").write_bytes(picture())
    (results / "mechanisms.csv").write_text(
        "mechanism,model,accuracy,note\ncross-attention,mini-sd1.5,0.91324,\nadditive,none,not measured,\n"
    )
    nbformat.write(notebook(), folder / "book" / f"{CHAPTER}.ipynb")
    weights = folder / "weights" / "mini-sd1.5"
    weights.mkdir(parents=True)
    (weights / "training.json").write_text(json.dumps(training()))
    (folder / "weights" / "studies").mkdir()
    (folder / "weights" / "studies" / "guidance-sweep.json").write_text(json.dumps(study()))
    contents(folder, [CHAPTER])


def stage(folder: Path) -> Path:
    """The project's own settings and pages in `folder`, without chapters and results."""
    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("results", "*.ipynb", "__pycache__"))
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "weights").mkdir()
    return folder


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the book staged in `folder` as the project does: everything anew, warnings as errors."""
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(folder),
        "--all",
        "-W",
        "--keep-going",
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What a build says was wrong: its warnings and errors, or its last line if it failed without any."""
    said = (done.stdout + done.stderr).splitlines()
    return [line for line in said if "WARNING" in line or "ERROR" in line] or (said[-1:] if done.returncode else [])
