"""A run too long for a chapter: what the judges saw in many pictures of a miniature, kept beside the weights.

`python -m experiments.metrics.larger mini-sd3 --n 1000` draws the first captions of the test scenes and writes
`weights/evaluation/<name>.safetensors`, with the hash of everything it follows from. A chapter that draws the first of
the same captions again can compare; a file whose weights, judges, captions or settings are no longer today's is not read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import torch
from safetensors import safe_open
from safetensors.torch import save

from experiments.artefacts import ROOT, atomic_write, fingerprint, store
from experiments.data.captions import caption
from experiments.data.dataset import scenes
from experiments.data.prompts import Prompt, Requirement
from experiments.metrics.table import Judges, Seen, draw, join, judges
from experiments.models import zoo

FOLDER = ROOT / "weights" / "evaluation"
SPLIT, PART = "test", 100


def prompts(start: int, stop: int) -> list[Prompt]:
    """Captions of test scenes start .. stop-1, with the ids that the same pictures have in an exported COCO folder."""
    told = enumerate(scenes(SPLIT, start, stop), start + 1)
    return [Prompt(f"{SPLIT}/{i}", "caption", caption(scene), Requirement(())) for i, scene in told]


def key(name: str, by: Judges, seed: int = 0) -> str:
    """A hash of what the pictures and their scores follow from: weights, settings, captions, judges."""
    looked = [zoo.weights_hash(zoo.WEIGHTS / judge) for judge in by.models]
    said = [p.text for p in prompts(0, PART)]
    return fingerprint(zoo.weights_hash(zoo.locate(name)), zoo.defaults(name), looked, said, seed)


def recorded(name: str, by: Judges, seed: int = 0) -> Seen | None:
    """What the larger run saw, or None where there is none for today's weights, judges, captions and settings."""
    path = FOLDER / f"{name}.safetensors"
    if name not in zoo.shipped() or not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        if file.metadata().get("key") != key(name, by, seed):
            return None
        return Seen(*(file.get_tensor(part).double() for part in Seen._fields))


def run(name: str, n: int, seed: int = 0) -> Seen:
    """Draw n captions, see the pictures and keep what was seen; parts of PART pictures survive an interruption."""
    by = judges()
    pipeline, of, started = zoo.load(name), key(name, by, seed), time.monotonic()
    seen = join(_part(name, pipeline, by, of, start, min(start + PART, n), seed) for start in range(0, n, PART))
    about = {"key": of, "n": str(n), "seed": str(seed), "torch": torch.__version__, "settings": json.dumps(zoo.defaults(name)),
             "seconds": f"{time.monotonic() - started:.0f}"}
    kept = {part: value.half() if part == "features" else value.float() for part, value in seen._asdict().items()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with atomic_write(FOLDER / f"{name}.safetensors") as file:
        file.write(save({part: value.contiguous() for part, value in kept.items()}, about))
    return seen


def _part(name: str, pipeline, by: Judges, of: str, start: int, stop: int, seed: int) -> Seen:
    path = store("larger", f"{name}-{of[:16]}-{start}-{stop}.pt")
    if not path.is_file():
        seen = draw(pipeline, prompts(start, stop), by, seed, **zoo.defaults(name))
        with atomic_write(path) as file:
            torch.save(tuple(seen), file)
        sys.stderr.write(f"{name}: {stop} pictures\n")
    return Seen(*torch.load(path, weights_only=True))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.metrics.larger", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME", choices=zoo.shipped(), help="shipped miniatures")
    parser.add_argument("--n", type=int, default=1000, help="pictures of each (default 1000)")
    given = parser.parse_args(arguments)
    for name in given.names:
        run(name, given.n)


if __name__ == "__main__":
    main()
