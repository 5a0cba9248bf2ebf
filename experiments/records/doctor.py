"""Looking at a machine before work starts: what is missing, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from experiments.artefacts import StorageError
from experiments.records.environment import LOCK
from experiments.records.execute import writable
from experiments.records.finding import Finding
from experiments.records.project import Project

GIB = 2**30
DISK_GIB = 3.0
MEMORY_GIB = 3.0
FULL_ONLY = {"torchvision": "torchvision", "torch_fidelity": "torch-fidelity"}


def examine(
    project: Project,
    scale: str = "mini",
    model: str | None = None,
    chapter: str | None = None,
    given: dict[str, Any] | None = None,
) -> list[Finding]:
    """Everything that `scale` needs on this machine, and what `chapter` needs with the parameters `given` if it is named.

    `model` is a released model to look for at full scale.
    """
    found = [_python(), *_packages(project), _disk(project), _memory(), *_writing(project), _git()]
    if scale == "full":
        found += [*_full_packages(), _accelerator(), _token()]
    if chapter or (model and scale == "full"):
        from experiments.records import needs  # which imports what may be missing here

        asked = (given or {}) | ({"model": model} if model else {})
        found += needs.examine(project, chapter, scale, asked) if chapter else [needs.access(str(model))]
    return found


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] in ((3, 11), (3, 12))
    return Finding(
        good, f"Python {version}", "install Python 3.11 or 3.12 and run `make clean-venv book PYTHON=python3.12`"
    )


def pins(lock: Path) -> dict[str, str]:
    """The versions that the lock file names, by normalised package name."""
    lines = [line.partition("#")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    return {_normal(name): version for name, _, version in (line.partition("==") for line in lines) if version}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _packages(project: Project) -> Iterator[Finding]:
    lock = project.root / LOCK
    if not lock.is_file():
        yield Finding(False, f"no {LOCK}", "restore it with `git checkout -- constraints.txt`")
        return
    pinned = pins(lock)
    installed = {_normal(d.metadata["Name"]): d.version.partition("+")[0] for d in metadata.distributions()}
    wanted = {_normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in _required()}
    missing = sorted(wanted - installed.keys())
    other = sorted(
        f"{n} {installed[n]} instead of {v}" for n, v in pinned.items() if n in installed and installed[n] != v
    )
    update = "run `make book`, which installs what the lock file lists"
    if missing:
        yield Finding(False, f"not installed: {', '.join(missing)}", update)
    if other:
        yield Finding(False, f"other versions than the lock's: {', '.join(other)}", update, needed=False)
    if not missing and not other:
        yield Finding(True, f"{len(pinned.keys() & installed.keys())} packages as the lock file lists them")


def _required() -> list[str]:
    """What the installed project asks for, without its optional parts."""
    try:
        lines = metadata.requires("conditional-diffusion") or []
    except metadata.PackageNotFoundError:
        return ["conditional-diffusion"]
    return [line for line in lines if "extra ==" not in line]


def _disk(project: Project) -> Finding:
    free = shutil.disk_usage(project.root).free / GIB
    remedy = f"free some space, at least {DISK_GIB:g} GiB, or move the cache with EXPERIMENTS_CACHE"
    return Finding(free >= DISK_GIB, f"{free:.1f} GiB of disk free", remedy)


def _memory() -> Finding:
    free = psutil.virtual_memory().available / GIB
    remedy = "close other programs, or run `make book JOBS=1` for one chapter at a time"
    return Finding(free >= MEMORY_GIB, f"{free:.1f} GiB of memory available", remedy, needed=False)


def _writing(project: Project) -> Iterator[Finding]:
    for folder in (
        project.built,
        project.results,
        Path(os.environ.get("EXPERIMENTS_CACHE") or project.built / "cache"),
    ):
        try:
            writable(folder)
        except StorageError as error:
            yield Finding(False, str(error).partition(": ")[0], str(error).partition(": ")[2])
        else:
            name = folder.relative_to(project.root) if folder.is_relative_to(project.root) else folder
            yield Finding(True, f"{name} can be written")


def _git() -> Finding:
    return Finding(
        shutil.which("git") is not None, "git", "install git; without it records name no commit", needed=False
    )


def _full_packages() -> Iterator[Finding]:
    for module, package in FULL_ONLY.items():
        present = importlib.util.find_spec(module) is not None
        yield Finding(present, f"{package} (full scale)", "run `.venv/bin/pip install -c constraints.txt -e '.[full]'`")


def _accelerator() -> Finding:
    import torch

    good = torch.cuda.is_available()
    what = torch.cuda.get_device_name() if good else "no accelerator"
    return Finding(
        good, what, "full scale runs on the processor too, but takes hours; use a machine with a GPU", needed=False
    )


def _token() -> Finding:
    from huggingface_hub import get_token

    return Finding(
        get_token() is not None, "a token for the model hub", "gated models need one: run `hf auth login`", needed=False
    )
