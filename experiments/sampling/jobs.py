"""What to draw of MS-COCO: a frozen list of (image, caption, seed), named by its hash and cut into fixed batches.

Whoever draws, on however many machines and however often interrupted, draws this list. An image's place in it depends on
its id alone, so the list for n pictures is the beginning of the list for more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.artefacts import fingerprint, write_json
from experiments.data.coco import Coco, CocoError, read

SPLIT = "val2017"


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to draw: the caption (by its annotation id) of an image of COCO, and a seed."""

    image: int
    caption: int
    seed: int
    text: str

    @property
    def file(self) -> str:
        return f"{self.image:012d}-{self.caption}-{self.seed}.png"


@dataclass(frozen=True)
class Jobs:
    """The frozen list for one split."""

    split: str
    jobs: tuple[Job, ...]

    def __len__(self) -> int:
        return len(self.jobs)

    @property
    def hash(self) -> str:
        """SHA-256, in hex, of the whole list, texts included."""
        return fingerprint(self.split, [asdict(job) for job in self.jobs])

    def batches(self, size: int) -> list[tuple[Job, ...]]:
        """The fixed cut: batch k holds jobs k * size onwards, whoever draws it."""
        return [self.jobs[i : i + size] for i in range(0, len(self.jobs), size)]

    def save(self, folder: Path) -> Path:
        """Write `<folder>/jobs-<hash>.json` unless it is there."""
        path = folder / f"jobs-{self.hash[:12]}.json"
        if not path.is_file():
            write_json(path, {"split": self.split, "hash": self.hash, "jobs": [asdict(job) for job in self.jobs]})
        return path


def load(path: Path) -> Jobs:
    """A saved list. Raises ValueError where its content is not what its hash says."""
    held = json.loads(Path(path).read_text(encoding="utf-8"))
    found = Jobs(held["split"], tuple(Job(**job) for job in held["jobs"]))
    if found.hash != held["hash"]:
        raise ValueError(f"{path} was altered: it is not the list that its hash names; delete it and generate again")
    return found


def freeze(folder: str | Path, n: int, split: str = SPLIT, seeds: Sequence[int] = (0,)) -> Jobs:
    """The first caption of each of `n` images of a COCO folder, once for each seed; seeds of one image stand together.

    The pictures themselves are opened too, since scores need them: a missing or damaged one is found now and not after
    hours. Raises CocoError, in one line, for whatever is wrong with the folder.
    """
    coco = read(folder, split)
    captioned = [i for i in range(len(coco)) if coco.captions[i]]
    if not 1 <= n <= len(captioned):
        most = len(captioned)
        raise CocoError(f"n = {n} pictures of {split}: it has {most} with captions, so ask for 1 to {most}")
    ids = _first_captions(Path(folder), split)
    places = sorted(captioned, key=lambda i: hashlib.blake2b(str(coco.images[i].id).encode()).digest())[:n]
    examine(coco, places)
    wanted = [(coco.images[i].id, coco.captions[i][0], seed) for i in places for seed in seeds]
    return Jobs(split, tuple(Job(image, ids[image], seed, text) for image, text, seed in wanted))


def _first_captions(folder: Path, split: str) -> dict[int, int]:
    """The least annotation id of each image, which is that of its first caption."""
    held = json.loads((folder / "annotations" / f"captions_{split}.json").read_text(encoding="utf-8-sig"))
    first: dict[int, int] = {}
    for entry in held["annotations"]:
        first[entry["image_id"]] = min(entry["id"], first.get(entry["image_id"], entry["id"]))
    return first


def examine(coco: Coco, places: Sequence[int]) -> None:
    """Open the pictures at `places`; raises CocoError that counts and names those that cannot be used."""
    there = {file.name for file in coco.folder.iterdir()} if coco.folder.is_dir() else set()
    listed = f"captions_{coco.split}.json"
    if not there:
        raise CocoError(f"{coco.folder} has no pictures: unpack {coco.split}.zip beside annotations/")
    if not any(coco.images[i].file in there for i in places):
        name = coco.images[places[0]].file
        none = f"{coco.split}/ holds none of its pictures, such as {name}"
        raise CocoError(f"{listed} is of another split: {none}; unpack both from one release")
    chosen = Coco(coco.folder, coco.split, tuple(coco.images[i] for i in places), tuple(coco.captions[i] for i in places))
    broken = chosen.broken()
    if broken:
        first, more = broken[0], f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise CocoError(f"{coco.split}/{first.picture.file} {first.reason}{more}: fetch the pictures again")
