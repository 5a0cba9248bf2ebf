"""`bench`: this project against the plain way to do the same, both timed in one run on this machine, as ratios."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.records.project import Project


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Seconds of the plain way and of this project's, and what was checked about their results."""

    plain: float
    ours: float
    note: str = ""


def fid(project: Project) -> Ratio:
    """Exact FID of 500 pictures, 2048 features: torchmetrics' compute against the Gram form."""
    from experiments.metrics.bench import fast_fid

    found = fast_fid()
    return Ratio(found.usual, found.ours, f"answers differ by {found.difference:.0e} of their size")


def sampling(project: Project, count: int = 16) -> Ratio:
    """Pictures of 16 prompts by mini-sd3: one plain pipeline call per prompt against the zoo's batches."""
    from experiments.data.prompts import CATEGORIES, prompts
    from experiments.models import zoo
    from experiments.sampling.bench import batched

    name = "mini-sd3"
    found = batched(zoo.load(name), prompts("tune", CATEGORIES[0], count), **zoo.defaults(name))
    return Ratio(found.usual, found.ours, f"pictures differ by {found.difference:.2f} of 255 levels")


def generation(project: Project, count: int = 32) -> Ratio:
    """Drawing and storing 32 captions by mini-sd1.5: a plain loop of its pipeline against `generate`, one thread each."""
    return _generation("mini-sd1.5", count)


def generation_sd3(project: Project, count: int = 32) -> Ratio:
    """The same by mini-sd3."""
    return _generation("mini-sd3", count)


def _generation(name: str, count: int) -> Ratio:
    import torch

    from experiments.data.captions import caption
    from experiments.data.scenes import sample_scene
    from experiments.models.systems import find
    from experiments.sampling.bench import whole
    from experiments.sampling.jobs import Job, Jobs
    from experiments.sampling.worker import Settings

    jobs = Jobs("test", tuple(Job(i, i, 0, caption(sample_scene(i, 0, "test"), "en", 0)) for i in range(count)))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        found = whole(find(name), jobs, Path(folder), Settings(device="cpu"))
    return Ratio(found.usual, found.ours, f"least cosine of two pictures {1 - found.difference:.6f}")


def training(project: Project) -> Ratio:
    """A training step of mini-sd1.5, 16 pictures: a plain diffusers-style loop against codes and ids made once."""
    from experiments.training.bench import throughput

    found = throughput()
    return Ratio(found.plain, found.ours, f"{16 / found.ours:.0f} images a second, {found.share:.0%} of this device's measured peak")


def rebuild(project: Project) -> Ratio:
    """The book at smoke scale in an empty copy of the project: first build against a second with nothing changed."""
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        copy = Path(folder) / "project"
        _copy(project, copy)
        first, _ = _build(copy)
        again, said = _build(copy)
    return Ratio(first, again, said)


def _copy(project: Project, target: Path) -> None:
    hide = shutil.ignore_patterns("__pycache__", "results", ".*")
    for name in ("experiments", "book"):
        shutil.copytree(project.root / name, target / name, ignore=hide)
    for name in ("_config.yml", "_toc.yml", "constraints.txt"):
        shutil.copyfile(project.root / name, target / name)
    if project.weights.is_dir():
        (target / "weights").symlink_to(project.weights)


def _build(root: Path) -> tuple[float, str]:
    """Seconds of one build in `root`, and what it said at the end about how much was executed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("EXPERIMENTS_")}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "experiments", "build", "--scale", "smoke"],
        cwd=root, env={**env, "PYTHONPATH": str(root)}, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1])
    last = [line for line in done.stdout.splitlines() if line.startswith("Done in")][-1]
    return time.perf_counter() - started, last.partition("; ")[2].rstrip(".")


BENCHMARKS: tuple[Callable[[Project], Ratio], ...] = (fid, sampling, generation, generation_sd3, training, rebuild)


def run(project: Project, only: str | None = None) -> int:
    """Print a line for each benchmark whose name contains `only`; 1 if one could not be run."""
    chosen = [bench for bench in BENCHMARKS if not only or only in bench.__name__]
    if not chosen:
        print(f"error: no benchmark {only!r}; there are: {', '.join(b.__name__ for b in BENCHMARKS)}", file=sys.stderr)
        return 2
    failed = False
    for bench in chosen:
        print(f"{bench.__name__}: {bench.__doc__}", flush=True)
        try:
            print("  " + line(bench(project)), flush=True)
        except Exception as error:  # one that cannot run must not hide the others
            failed = True
            print(f"  not measured: {type(error).__name__}: {error}", flush=True)
    return int(failed)


def line(ratio: Ratio) -> str:
    """A ratio with the two times that it comes from."""
    note = f" ({ratio.note})" if ratio.note else ""
    return f"{ratio.plain / ratio.ours:.1f} times faster: {_seconds(ratio.plain)} against {_seconds(ratio.ours)}{note}"


def _seconds(value: Any) -> str:
    return f"{value:.3f} s" if value < 1 else f"{value:.1f} s"
