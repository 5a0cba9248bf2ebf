"""What the table says of one miniature beside its distances: cost, CMMD, and pictures for the grid. Each in a process of its own.

`python -m experiments.metrics.member mini-sd3` prints one JSON object; a fresh process makes "cold" mean what it says, and its
peak memory is this model's. Beside it `weights/evaluation/<name>.png` gets a strip of pictures, one for each of `shown()`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from experiments.artefacts import atomic_write
from experiments.data.dataset import images as renders
from experiments.data.prompts import CATEGORIES, Prompt, prompts
from experiments.metrics.alignment import evaluate
from experiments.metrics.cmmd import cmmd_bootstrap
from experiments.metrics.cost import best, by_batch, flops, parameters, runtime
from experiments.metrics.larger import FOLDER, SPLIT
from experiments.metrics.larger import prompts as captions
from experiments.metrics.latency import peak_memory
from experiments.metrics.table import SceneClip
from experiments.models import zoo
from experiments.sampling.generate import generate

SETTINGS = {"cmmd": 100, "prompts": 3, "repeats": 3, "batches": (2, 8, 25), "batch repeats": 2, "seed": 0}
CLOCK = time.process_time  # miniatures are measured on machines that do other things too
PER_CATEGORY = 2  # prompts of the grid


def shown() -> list[Prompt]:
    """The prompts of the grid: the first test prompts of each category."""
    return [p for category in CATEGORIES for p in prompts("test", category, PER_CATEGORY)]


def sheet(name: str) -> Path:
    """Where the pictures of `shown()` lie, side by side in one file."""
    return FOLDER / f"{name}.png"


def weights(name: str) -> str:
    """Hash of all that the measurements of a miniature depend on beside the code: its weights and its call."""
    return f"{zoo.weights_hash(zoo.locate(name))} {json.dumps(zoo.defaults(name), sort_keys=True)}"


def measure(name: str) -> dict[str, Any]:
    """Everything of one miniature, as plain JSON values; seconds are those that this process computed, with one model in it."""
    begun = CLOCK()
    pipeline, call = zoo.load(name), zoo.defaults(name)
    loaded, seed, wanted = CLOCK() - begun, SETTINGS["seed"], captions(0, SETTINGS["cmmd"])
    draw = partial(generate, pipeline, seed=seed, **call)
    with peak_memory() as alone:
        took = runtime(lambda text: draw([p for p in wanted if p.text == text][:1]), _texts(wanted), SETTINGS["repeats"], clock=CLOCK)
    batches = by_batch(lambda size: draw(wanted[:size], batch=size), SETTINGS["batches"], SETTINGS["batch repeats"], clock=CLOCK)
    with peak_memory() as together:
        draw(wanted[: best(batches)], batch=best(batches))
    return {
        "weights": weights(name),
        "load": round(loaded, 3), "cold": took.cold, "calls": [list(row) for row in took.calls], "threads": torch.get_num_threads(),
        "batches": {str(size): list(found[:4]) for size, found in batches.items()},
        "memory": {"1": alone.mib, str(best(batches)): together.mib}, "memory of this process alone": alone.exact,
        "parameters": parameters(pipeline), "flops": flops(lambda: draw(wanted[:1])),
        "cmmd": _cmmd(draw(wanted), seed)._asdict(),
        "verdicts": _pictures(name, draw(shown())),
    }  # fmt: skip


def _texts(wanted: list[Prompt]) -> list[str]:
    return list(dict.fromkeys(p.text for p in wanted))[: SETTINGS["prompts"]]


def _cmmd(drawn: torch.Tensor, seed: int) -> Any:
    """CMMD of drawn pictures against the renders of the scenes that their captions tell, in our evaluation CLIP."""
    clip = SceneClip()
    real = torch.from_numpy(np.array(renders(SPLIT, 0, len(drawn))))
    return cmmd_bootstrap(clip.images(drawn), clip.images(real), seed=seed)


def _pictures(name: str, drawn: torch.Tensor) -> list[str]:
    """Keep the strip of pictures [N,3,H,W]; the checker's verdict on each: "right", or what is wrong."""
    strip = torch.cat(list(drawn), dim=2).permute(1, 2, 0).numpy()
    with atomic_write(sheet(name)) as file:
        Image.fromarray(strip).save(file, "PNG", optimize=True)
    return ["right" if verdict.ok else verdict.fault for verdict in evaluate(shown(), drawn)]


def apart(name: str) -> dict[str, Any]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "experiments.metrics.member", name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    if done.returncode:
        raise RuntimeError(f"measuring {name} failed: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m experiments.metrics.member", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=zoo.shipped(), metavar="NAME", help="a shipped miniature")
    print(json.dumps(measure(parser.parse_args().name)))
