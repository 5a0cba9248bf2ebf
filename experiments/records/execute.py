"""Executing a chapter into a scratch folder, in a process of its own, with a time limit."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from experiments.artefacts import StorageError, storage_errors
from experiments.records import freshness, promote, record
from experiments.records.project import Chapter, Project

TIMEOUT = 1800.0
TOO_LONG = "it ran longer than the time limit"
DISK = ("StorageError", "No space left on device", "Read-only file system", "Disk quota exceeded")

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # a spinning thread slows down the chapter beside it
    "TOKENIZERS_PARALLELISM": "false",
}


class ChapterError(RuntimeError):
    """A chapter that did not pass the gate; the message names it, the cell and where the executed copy lies."""


def environment(project: Project, folder: Path, given: dict[str, Any], one_thread: bool) -> dict[str, str]:
    """The environment in which a chapter runs; without released weights it may not reach for the network."""
    values = {**os.environ, "EXPERIMENTS_OUT": str(folder), "PYTHONHASHSEED": "0"}
    values["PYTHONPATH"] = os.pathsep.join(filter(None, [str(project.root), os.environ.get("PYTHONPATH")]))
    if given.get("scale") != "full":
        values["HF_HUB_OFFLINE"] = "1"
    return {**values, **ONE_THREAD} if one_thread else values


def execute(
    project: Project,
    chapter: Chapter,
    given: dict[str, Any],
    target: Path,
    timeout: float = TIMEOUT,
    one_thread: bool = True,
) -> None:
    """Execute `chapter` with the parameters `given` and promote its result to the folder `target`.

    Raises `ChapterError` when it fails the gate; its executed copy is then in `_build/failed/<name>`, and what stood in
    `target` stays as it was. Raises `StorageError` when the disk is full or read-only.
    """
    scratches = project.built / "scratch"
    with storage_errors(scratches):
        scratches.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=chapter.name + ".", dir=scratches))
        folder.chmod(scratches.stat().st_mode)  # a result is for everybody who may see the folder of results
        writable(target.parent)
    try:
        before = freshness.inputs(project, chapter, given)
        said = _run(project, chapter, given, folder, timeout, one_thread)
        wrong = promote.faults(folder, chapter.name, chapter.notebook())
        if wrong:
            raise _failure(project, chapter, folder, wrong, said)
        after = freshness.inputs(project, chapter, given, models=_models(folder))
        if {**after, "weights": {name: after["weights"][name] for name in before["weights"]}} != before:
            raise ChapterError(f"book/{chapter.source.name} or something it uses changed while it ran; run it again")
        freshness.save(folder, after)
        promote.promote(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def writable(folder: Path) -> None:
    """Raise `StorageError` now rather than after minutes of work if nothing can be written into `folder`."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def _models(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return [model["name"] for model in record.read(folder)["models"]]
    return []


def _run(
    project: Project, chapter: Chapter, given: dict[str, Any], folder: Path, timeout: float, one_thread: bool
) -> str:
    """Run the chapter's process to its end or the time limit; returns what it said about an error."""
    command = [
        sys.executable, "-m", "experiments.records.runner",
        str(chapter.source), str(folder / promote.NOTEBOOK), json.dumps(given), str(os.getpid()),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=project.root, env=environment(project, folder, given, one_thread), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        return process.communicate(timeout=timeout)[1]
    except BaseException as stopped:
        kill_tree(process.pid)
        process.communicate()
        if isinstance(stopped, subprocess.TimeoutExpired):
            return f"{TOO_LONG} of {timeout:g} s"
        raise


def kill_tree(pid: int) -> None:
    """Kill the process `pid` and all its descendants; a kernel has a session of its own, so its group is not enough."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in [*parent.children(recursive=True), parent]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _failure(project: Project, chapter: Chapter, folder: Path, wrong: list[str], said: str) -> Exception:
    """The error for a result that the gate refused; the executed copy goes where the reader can open it."""
    lines = [*wrong, *said.strip().splitlines()]
    storage = [line for line in lines if any(word in line for word in DISK)]
    if storage:
        return StorageError(f"book/{chapter.source.name}: {storage[0]}; what was finished before is kept")
    reason = lines[-1] if TOO_LONG in said or not (folder / promote.NOTEBOOK).is_file() else lines[0]
    kept = project.built / "failed" / chapter.name
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.rename(folder, kept)
    return ChapterError(f"book/{chapter.source.name}: {reason} (executed copy: {kept.relative_to(project.root)})")
