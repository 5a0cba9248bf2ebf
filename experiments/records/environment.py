"""The facts that a result depends on besides its parameters: commit, lock, versions, machine, memory."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.artefacts import ROOT, file_hash

LOCK = "constraints.txt"
PACKAGES = (
    "torch", "diffusers", "transformers", "tokenizers", "accelerate", "peft", "safetensors", "numpy", "scipy", "pandas",
    "matplotlib", "torchmetrics", "papermill", "jupyter-book",
)  # fmt: skip


def commit(root: Path = ROOT) -> str | None:
    """The commit that is checked out, or None outside a git checkout."""
    return _git(root, "rev-parse", "HEAD")


def dirty(root: Path = ROOT) -> bool | None:
    """Whether code or weights differ from the commit; None outside a git checkout."""
    changes = _git(root, "status", "--porcelain", "--", "experiments", "weights", "book", LOCK)
    return None if changes is None else bool(changes)


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def lock_sha256(root: Path = ROOT) -> str | None:
    """SHA-256 of the lock file, or None where there is none."""
    return file_hash(root / LOCK) if (root / LOCK).is_file() else None


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def cpu() -> str:
    """The processor's name and the number of its cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_cpu_name()}, {cores} core{'s' if cores != 1 else ''}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def device() -> str:
    """The accelerator that a run uses where there is one, otherwise "cpu"."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "cpu"


def threads() -> int | None:
    """Threads that torch computes with, or None before torch is imported."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch is not None else None


def peak_memory_mib() -> float:
    """The most memory this process has held so far, in MiB: the accelerator's where one is used, else the machine's."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def facts() -> dict[str, Any]:
    """Everything above as the record's own keys."""
    return {
        "commit": commit(),
        "dirty": dirty(),
        "lock_sha256": lock_sha256(),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device(),
        "cpu": cpu(),
        "threads": threads(),
        "peak_memory_mib": round(peak_memory_mib(), 1),
    }
