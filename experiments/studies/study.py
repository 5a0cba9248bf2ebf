"""A study: measurements that take longer than a chapter may, made once, kept in the repository and read by chapters.

A study is a list of parts, each named by plain values, and a function that measures one part. `run` measures the parts
that are not kept yet, one after the other, and writes `weights/studies/<name>.json` after each, so a killed study goes on
where it was. What an earlier version of the code or other weights measured is never read: a chapter then finds nothing
and says "not measured".
"""

from __future__ import annotations

import difflib
import importlib
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from experiments.artefacts import ROOT, fingerprint, source_hash, store, write_json
from experiments.models.zoo import WEIGHTS, weights_hash

FOLDER = WEIGHTS / "studies"
CATALOGUES = ("experiments.artefacts", "experiments.models.zoo", "experiments.studies.study")  # these find and keep, and measure nothing

Part = tuple[Any, ...]
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """`parts()` lists what to measure, most wanted first; `measure(*part)` gives plain JSON values.

    `made_by` are the modules that the numbers follow from, `needs` the folders of `weights/` that they follow from.
    """

    name: str
    parts: Callable[[], Iterable[Part]]
    measure: Callable[..., Result]
    made_by: tuple[str, ...]
    needs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)  # n, steps, seeds: whatever else the numbers follow from

    def made(self) -> str:
        """Hash, in hex, of what the results follow from."""
        code = source_hash(*self.made_by, without=_catalogues())
        return fingerprint(self.name, code, dict(self.settings), [weights_hash(WEIGHTS / need) for need in self.needs])


def _catalogues() -> tuple[str, ...]:
    rows = (ROOT / "experiments" / "models" / "recipes").glob("*.py")
    listed = tuple(f"experiments.models.recipes.{file.stem}" for file in rows if file.stem != "__init__")
    return (*CATALOGUES, "experiments.models.recipes", *listed)


def run(study: Study, minutes: float | None = None, tell: Callable[[str], None] = print) -> Path:
    """Measure what is missing, in order; stops after `minutes` (between two parts). Returns the record's path."""
    begun, made = time.monotonic(), study.made()
    parts = [tuple(part) for part in study.parts()]
    for number, part in enumerate(parts, 1):
        if _cached(study, made, part).is_file():
            continue
        if minutes is not None and time.monotonic() - begun > 60 * minutes:
            tell(f"{study.name}: stopped after {minutes:g} minutes with {number - 1} of {len(parts)} parts; run it again to go on")
            break
        started = time.monotonic()
        result = dict(study.measure(*part))
        seconds = round(time.monotonic() - started, 2)
        write_json(_cached(study, made, part), {"part": list(part), "result": result, "seconds": seconds})
        _write(study, made, parts)
        tell(f"{study.name}: {number} of {len(parts)} parts, {' '.join(map(str, part))} in {seconds:.0f} s")
    return _write(study, made, parts)


def recorded(study: Study, folder: Path = FOLDER) -> dict[Part, dict[str, Any]]:
    """What was measured, by part, with today's code and weights; empty where nothing was."""
    path = folder / f"{study.name}.json"
    if not path.is_file():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    try:
        current = kept["made_of"] == study.made()
    except FileNotFoundError:  # weights that it needs are not there
        current = False
    return {_key(row["part"]): row["result"] for row in kept["parts"]} if current else {}


def about(study: Study, folder: Path = FOLDER) -> dict[str, Any]:
    """Facts of the recorded study for a page: seconds, device, threads, versions; empty where there is none."""
    path = folder / f"{study.name}.json"
    return {k: v for k, v in json.loads(path.read_text(encoding="utf-8")).items() if k != "parts"} if path.is_file() else {}


def find(name: str) -> Study:
    """The study `name`. Raises ValueError with the nearest name for one that is not there."""
    known = {study.name: study for study in all_studies()}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise ValueError(f"no study {name!r}{f'; did you mean {near[0]}?' if near else ''} There are: {', '.join(known)}")
    return known[name]


def all_studies() -> list[Study]:
    """Every study of this folder, in the order of the file names."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in ("__init__", "study"))
    modules = [importlib.import_module(f"experiments.studies.{name}") for name in names]
    return [study for module in modules for study in getattr(module, "STUDIES", ())]


def state(study: Study) -> tuple[int, int]:
    """How many parts are recorded, of how many."""
    parts = [_key(part) for part in study.parts()]
    found = recorded(study)
    return sum(part in found for part in parts), len(parts)


def _key(part: Iterable[Any]) -> Part:
    return tuple(tuple(value) if isinstance(value, list) else value for value in part)


def _cached(study: Study, made: str, part: Part) -> Path:
    return store("studies", f"{study.name}-{fingerprint(made, part)[:24]}.json")


def _write(study: Study, made: str, parts: list[Part]) -> Path:
    files = [path for part in parts if (path := _cached(study, made, part)).is_file()]
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    path = FOLDER / f"{study.name}.json"
    write_json(
        path,
        {
            "study": study.name,
            "made_of": made,
            "settings": dict(study.settings),
            "seconds": round(sum(row["seconds"] for row in rows), 1),
            "cpu": platform.processor() or platform.machine(),
            "device": "cuda" if torch.cuda.is_available() else "cpu",
            "threads": torch.get_num_threads(),
            "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
            "parts": rows,
        },
    )
    return path
