"""A set of pictures on disk: what decides its bytes, what was finished of it, and whether it may be scored.

    <out>/jobs-<hash>.json                 the frozen list
    <out>/<system>-<key>/plan.json         all that decides a byte; the key is its hash, so nothing stale is ever met again
                        /pictures/*.png
                        /batches/00000.json   flags and SHA-256 of each picture of a batch, written after its pictures
                        /seconds/00000.json   how long the batch took; the only files that differ between two runs
                        /manifest.json        everything together, written when every batch is there

Every file appears complete or not at all, so a run may be killed at any moment, and any number of workers may share a set.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from experiments.artefacts import atomic_write, file_hash, fingerprint, storage_errors, sweep, write_json
from experiments.sampling.jobs import Job, Jobs, load
from experiments.sampling.pictures import FLAGS, as_bytes, png


class SetError(RuntimeError):
    """A set of pictures cannot be added to or scored; the message is one line that says which, why and what to do."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the message alone, for no code is at fault."""
        return [f"SetError: {self}"]


# ---- a set in the making ---------------------------------------------------------------------------------------------


class Set:
    """The folder of one system's pictures of one list; `Set.begin` finds or makes it."""

    def __init__(self, folder: Path, jobs: Jobs, plan: dict[str, Any]):
        self.folder, self.jobs, self.plan = folder, jobs, plan
        self.batches = jobs.batches(plan["batch"])
        self.key = fingerprint(plan)

    @classmethod
    def begin(cls, out: Path, jobs: Jobs, identity: dict[str, Any], chosen: Any) -> Set:
        """The set that `identity` names; `chosen()` gives the rest of the plan if nobody has begun it.

        `identity` is what is known beforehand (system, revisions, call, versions, ...); the rest, such as the batch that
        fits the machine, is decided by whoever comes first and binds all others.
        """
        folder = out / f"{identity['system']}-{fingerprint(identity, jobs.hash)[:12]}"
        path = folder / "plan.json"
        if not path.is_file():
            jobs.save(out)
            _write_once(path, identity | {"jobs": jobs.hash} | chosen())
        return cls(folder, jobs, json.loads(path.read_text(encoding="utf-8")))

    def record(self, k: int) -> Path:
        return self.folder / "batches" / f"{k:05d}.json"

    def done(self, k: int) -> bool:
        """Whether batch k was finished by this plan and all its pictures are still there."""
        try:
            held = json.loads(self.record(k).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        there = all((self.folder / "pictures" / entry["file"]).is_file() for entry in held["pictures"])
        return there and held["plan"] == self.key

    def left(self, worker: int = 0, workers: int = 1) -> list[int]:
        """Batches that worker k of n has to draw: those whose number is k modulo n, without the finished ones."""
        return [k for k in range(worker, len(self.batches), workers) if not self.done(k)]

    def there(self) -> int:
        """Pictures of the batches that have a record, by whomever; quick, and not checked."""
        names = {file.name for file in (self.folder / "batches").glob("*.json")}
        return sum(len(batch) for k, batch in enumerate(self.batches) if self.record(k).name in names)

    def write(self, k: int, pictures: Tensor, replaced: Sequence[bool] | None, seconds: float) -> None:
        """Store batch k: pictures [N,3,H,W] in [0, 1], then their record."""
        entries = []
        for i, job in enumerate(self.batches[k]):
            levels, flags = as_bytes(pictures[i], replaced[i] if replaced else None)
            content = png(levels)
            with atomic_write(self.folder / "pictures" / job.file) as handle:
                handle.write(content)
            entries.append(_entry(job, hashlib.sha256(content).hexdigest(), flags))
        write_json(self.folder / "seconds" / f"{k:05d}.json", {"pictures": len(entries), "seconds": round(seconds, 4)})
        write_json(self.record(k), {"plan": self.key, "batch": k, "pictures": entries})

    def finish(self) -> bool:
        """Write the manifest if every batch is there; True if it was."""
        if any(not self.done(k) for k in range(len(self.batches))):
            return False
        for inside in ("pictures", "batches", "seconds"):  # not the set's own folder, where another worker may be writing the manifest
            sweep(self.folder / inside)
        entries = self.entries()
        manifest = {"plan": self.plan, "key": self.key, "flags": _counted(entries), "pictures": entries}
        write_json(self.folder / "manifest.json", manifest)
        return True

    def entries(self) -> list[dict[str, Any]]:
        """What the records of all batches say of each picture, in the list's order."""
        records = (self.record(k) for k in range(len(self.batches)))
        return [entry for record in records for entry in json.loads(record.read_text(encoding="utf-8"))["pictures"]]


def _counted(entries: Sequence[dict[str, Any]]) -> dict[str, int]:
    counts = Counter(flag for entry in entries for flag in entry["flags"])
    return {flag: counts[flag] for flag in FLAGS}


def _entry(job: Job, digest: str, flags: list[str]) -> dict[str, Any]:
    return {"file": job.file, "image": job.image, "caption": job.caption, "seed": job.seed, "sha256": digest, "flags": flags}


def _write_once(path: Path, value: dict[str, Any]) -> None:
    """Write `path` unless another process does so first; it appears complete or not at all, and never changes."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with open(number, "w", encoding="utf-8") as handle:
                handle.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
            os.chmod(name, 0o644)
            try:
                os.link(name, path)
            except FileExistsError:
                pass
        finally:
            os.unlink(name)


# ---- a set to be scored ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A complete, unmixed set: its jobs in order, and for each the picture and what is known of it."""

    folder: Path
    plan: dict[str, Any]
    jobs: Jobs
    entries: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def flags(self) -> dict[str, int]:
        """How many pictures bear each flag."""
        return _counted(self.entries)

    def picture(self, i: int) -> Tensor:
        """Picture i as uint8 [3,H,W]."""
        with Image.open(self.folder / "pictures" / self.entries[i]["file"]) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()

    def pictures(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Pictures start .. stop-1 as uint8 [N,3,H,W]."""
        return torch.stack([self.picture(i) for i in range(start, len(self) if stop is None else stop)])

    @property
    def seconds(self) -> list[tuple[int, float]]:
        """(pictures, seconds) of each batch, in order; what was drawn by several workers ran side by side."""
        held = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((self.folder / "seconds").glob("*.json"))]
        return [(entry["pictures"], entry["seconds"]) for entry in held]


def complete(folder: str | Path) -> Drawn:
    """The set in `folder`, every picture of which is read and compared with its record.

    Raises SetError where it is incomplete, or holds a picture that this plan did not make.
    """
    folder = Path(folder)
    name = folder.name
    try:
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        jobs = load(folder.parent / f"jobs-{plan['jobs'][:12]}.json")
    except FileNotFoundError as error:
        lacking = Path(error.filename).name
        raise SetError(f"{folder} is not a set of pictures: {lacking} is missing; make it with `generate`") from error
    made = Set(folder, jobs, plan)
    left = made.left()
    if left:
        there = sum(len(batch) for k, batch in enumerate(made.batches) if k not in left)
        raise SetError(f"{name} has {there} of {len(jobs)} pictures: run the same `generate` again, which draws the rest")
    entries = made.entries()
    known = {entry["file"]: entry["sha256"] for entry in entries}
    others = sorted(_visible(folder / "pictures") - known.keys())
    if others:
        raise SetError(f"{name} is mixed: {len(others)} pictures are not in its list, such as {others[0]}; move them away")
    for file, digest in known.items():
        if file_hash(folder / "pictures" / file) != digest:
            raise SetError(f"{name} is mixed: {file} is not the picture that was drawn; delete it and run `generate` again")
    return Drawn(folder, plan, jobs, tuple(entries))


def _visible(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if not file.name.startswith(".")}


def found(out: str | Path) -> Iterator[Path]:
    """Every set below `out`, finished or not."""
    yield from sorted(path.parent for path in Path(out).glob("*/plan.json"))
