"""What one chapter needs on this machine at one scale: its models with their licences, disk, memory, and MS-COCO."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from experiments.models import cards, machines
from experiments.models.systems import System, UnknownSystem, find
from experiments.records.finding import Finding
from experiments.records.project import Project

SPARE = 5e9  # bytes of disk beside the weights: pictures, statistics, the cache of compiled code


def examine(project: Project, chapter: str, scale: str, given: dict[str, Any]) -> Iterator[Finding]:
    """Findings for `chapter`; `given` are parameters of its call, the others are its own.

    Raises `ProjectError` for a chapter that is not there.
    """
    declared = project.chapter(chapter).parameters() | given
    names = [*_listed(declared.get("model")), *_listed(declared.get("models"))]
    if scale == "full":
        yield from _released(names, project.root)
        if "coco" in declared:
            yield _coco(declared["coco"])
    else:
        yield from _miniatures(project, names)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) and value else list(value or ())


def _miniatures(project: Project, names: Iterable[str]) -> Iterator[Finding]:
    for name in names:
        there = (project.weights / name).is_dir() or Path(name).is_dir()
        yield Finding(there, f"weights of {name}", f"restore them with `git checkout -- weights/{name}`, or train them: "
                      f"`python -m experiments train {name}`")


def _released(names: list[str], root: Path) -> Iterator[Finding]:
    rows = []
    for name in names:
        if name.startswith("mini-"):
            yield Finding(False, f"{name} is a miniature, at full scale", "name released models: ARGS='--models sd1.5,sdxl'")
            continue
        try:
            rows.append(find(name))
        except UnknownSystem as error:
            if name.count("/") == 1:  # another model of the hub, of which no card says how large it is
                yield access(name)
            else:
                yield Finding(False, f"no system {name}", str(error).partition(": ")[2])
    for row in rows:
        yield from (access(row.hub, row.licence), *([access(row.prior, row.licence)] if row.prior else []))
        yield from _memory(row)
    if rows:
        yield _disk(rows, root)


def access(hub: str, licence: str = "its licence") -> Finding:
    """Whether the files of the repository `hub` can be had: there already, or allowed to be downloaded."""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(hub, "model_index.json"), str):
        return Finding(True, f"{hub} is in the local cache")
    try:
        HfApi().auth_check(hub)
    except GatedRepoError:
        return Finding(False, f"{hub} is gated", f"accept {licence} on its page of the hub, then run `hf auth login`")
    except RepositoryNotFoundError:
        return Finding(False, f"{hub} is not on the hub", "check the name; a withdrawn release may have a copy elsewhere")
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        return Finding(False, f"{hub} cannot be reached ({type(error).__name__})", "check the name and the connection")
    return Finding(True, f"{hub} can be downloaded ({licence})")


def _memory(row: System) -> Iterator[Finding]:
    """How the system runs in this GPU's memory, or in the machine's where there is no GPU."""
    if not row.card:
        return
    size, where = memory()
    needs = machines.needs(row.card)
    way = machines.grade(row.card, size / 1e9)
    said = f"{row.name} in {size / 1e9:.0f} GB of {where}: {way}, {needs[machines.FITS]:.0f} GB in all"
    remedy = {
        machines.OFFLOADED: f"use `enable_model_cpu_offload()`, which needs {needs[machines.OFFLOADED]:.0f} GB at a time",
        machines.QUANTISED: "offload, and load its largest component in 4 bits",
    }.get(way, f"it needs {needs[machines.QUANTISED]:.0f} GB even in 4 bits; use a larger GPU or another model")
    yield Finding(way == machines.FITS, said, remedy, needed=way == machines.TOO_LARGE)


def memory() -> tuple[float, str]:
    """Bytes of the accelerator's memory, or of the machine's without one, and what they are called."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.get_device_properties(0).total_memory), "GPU memory"
    return float(psutil.virtual_memory().total), "memory (no GPU)"


def _disk(rows: list[System], root: Path) -> Finding:
    """Room for what is not downloaded yet."""
    from huggingface_hub import constants, try_to_load_from_cache

    cache = Path(constants.HF_HUB_CACHE)
    place = next(path for path in (cache, *cache.parents, root) if path.exists())
    missing = [row for row in rows if row.card and not isinstance(try_to_load_from_cache(row.hub, "model_index.json"), str)]
    wanted = sum(sum(cards.gigabytes(row.card, row.dtype).values()) for row in missing) * 1e9 + SPARE
    free = shutil.disk_usage(place).free
    said = f"{free / 1e9:.0f} GB of disk free for weights, {wanted / 1e9:.0f} GB needed"
    return Finding(free >= wanted, said, "free some space, or move the hub's cache with HF_HOME")


def _coco(folder: str) -> Finding:
    """MS-COCO 2017's validation set where the chapter looks for it."""
    place = Path(folder)
    there = bool(folder) and (place / "annotations" / "captions_val2017.json").is_file() and (place / "val2017").is_dir()
    remedy = "download val2017 and its captions, and pass the folder: ARGS='--coco FOLDER'; without it the chapter uses scenes"
    return Finding(there, f"MS-COCO 2017 in {folder or 'no folder'}", remedy, needed=False)
