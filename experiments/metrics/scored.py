"""Scoring a generated set of COCO: through its manifest, against the pictures whose captions were drawn, with its cost.

A set that is incomplete or mixed is refused by `sampling.sets.complete`; what is scored is what its list says, and the
flags of its pictures (black, constant, not finite, replaced) are counted beside the scores, never left out of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
from torch import Tensor

from experiments.artefacts import fingerprint
from experiments.data.coco import Coco, CocoError, read
from experiments.data.prompts import Prompt, Requirement
from experiments.metrics import cost
from experiments.metrics.intervals import Estimate
from experiments.metrics.judged import BATCH, Looked, Panel, about, joined, look, row, unlimited
from experiments.metrics.latency import peak_memory
from experiments.metrics.listing import HERE, Cell, Row
from experiments.models import hub, systems
from experiments.sampling.generate import generate
from experiments.sampling.jobs import freeze
from experiments.sampling.sets import Drawn
from experiments.sampling.worker import Settings, arguments, precision

JUDGE = {"FID": "inception-v3", "FID at unlimited n": "inception-v3", "KID": "inception-v3", "CMMD": "CMMD's CLIP",
         "CLIP score": "CLIP ViT-L/14", "aesthetic": "LAION aesthetic"}


class Cost(NamedTuple):
    """What one system costs: single pictures, batches, peak memory in MiB, parameters by part, operations of a picture."""

    runtime: cost.Runtime
    batches: Mapping[int, Estimate]
    memory: float
    parameters: Mapping[str, int]
    flops: int


def only(releases: str | Path) -> None:
    """Have released weights come from the hub's cache in the folder `releases`, and nothing from the network."""
    if not Path(releases).is_dir():
        raise FileNotFoundError(f"no folder {releases}: `releases` is a hub cache, with folders such as models--owner--name")
    huggingface_hub.constants.HF_HUB_CACHE = str(Path(releases).resolve())
    huggingface_hub.constants.HF_HUB_OFFLINE = True


def drawn_pictures(made: Drawn, by: Panel) -> Looked:
    """What the judges see in a complete set, batch by batch, so that n is not bounded by memory."""
    texts = [job.text for job in made.jobs.jobs]
    return joined(look(made.pictures(i, min(i + BATCH, len(made))), texts[i : i + BATCH], by) for i in range(0, len(made), BATCH))


def order(folder: str | Path, split: str, n: int) -> list[int]:
    """Places in `read(folder, split)` of the first n pictures (or all there are) in the order in which captions are drawn."""
    coco = read(folder, split)
    places = {picture.id: i for i, picture in enumerate(coco.images)}
    captioned = sum(bool(said) for said in coco.captions)
    return [places[job.image] for job in freeze(folder, min(n, captioned), split).jobs]


def belongs(made: Drawn, coco: Coco, places: Sequence[int]) -> None:
    """Raise CocoError unless the set drew the captions of just the pictures at `places`, in their order."""
    ours, theirs = [coco.images[i].id for i in places], [job.image for job in made.jobs.jobs]
    if ours != theirs:
        raise CocoError(f"{made.folder.name} was drawn from other captions than those of {coco.split} that are scored here: "
                        "generate it with the same folder and n")


def weights(made: Drawn) -> str:
    """One hash of all files of weights that the set's plan lists."""
    return fingerprint(made.plan["weights"])


def revision(made: Drawn) -> str:
    """The commits of the set's repositories."""
    return ", ".join(made.plan["revisions"].values())


def measured(made: Drawn, seen: Looked, real: Looked, by: Panel, spent: Cost | None = None, seed: int = 0,
             found: Mapping[str, Estimate] | None = None) -> Row:
    """A row of the table for a set that was drawn and seen; every cell says what it was made with. `found` saves computing again."""
    plan = {"set": made.folder.name, "list": made.jobs.hash, "flags": made.flags}
    told = {name: value for name, value in (found or row(seen, real, seed)).items() if name in JUDGE}
    line = unlimited(seen, real, seed)
    points = {"sizes": list(line.sizes), "values": list(line.values)} if line else {}
    told |= {"FID at unlimited n": line.estimate} if line else {}
    cells = {name: Cell.of(value, **about(by.hashes, JUDGE[name], _filter(name)), **plan) for name, value in told.items()}
    if line:
        cells["FID at unlimited n"].about.update(points)
    return Row(systems.find(made.plan["system"]).title, HERE, cells | (cost_cells(spent) if spent else {}), weights=weights(made))


def _filter(metric: str) -> str:
    return "inception" if metric in ("FID", "FID at unlimited n", "KID") else "clip"


def cost_cells(spent: Cost, clock: str = "the wall's") -> dict[str, Cell]:
    """The columns of cost."""
    warm, size, timed = spent.runtime.warm, cost.best(spent.batches), {"clock": clock}
    found = {
        "seconds": Cell.of(warm, **timed), "cold": Cell(spent.runtime.cold, n=1, about=timed),
        "denoised": Cell(spent.runtime.denoised, n=len(spent.runtime.calls), about=timed | {"definition": "mean over prompts of the fastest repeat"}),
        "at best batch": Cell.of(spent.batches[size], **timed), "best batch": Cell(size, n=len(spent.batches)),
        "memory": Cell(spent.memory), "parameters": Cell(sum(spent.parameters.values()) / 1e6, about=spent.parameters),
    }  # fmt: skip
    return found | ({"operations": Cell(spent.flops / 1e9)} if spent.flops else {})


def timed(name: str, texts: Sequence[str], settings: Settings = Settings(), shown: Sequence[str] = (), seed: int = 0, repeats: int = 3,
          batches: Sequence[int] = (2, 4, 8)) -> tuple[Cost, Tensor | None]:
    """Cost of a system through its own pipeline, cold from the first call after loading; and pictures [K,3,H,W] of `shown`.

    Peak memory is that of one picture at a time. Operations are counted on a CPU only, where they cost a call.
    """
    system, place = systems.find(name), settings.place
    pipeline = hub.load(hub.fetch(system), precision(system, place)).to(place)
    call = arguments(system, settings)

    def draw(words: Sequence[str]) -> Tensor:
        return generate(pipeline, [Prompt(word, "caption", word, Requirement(())) for word in words], seed, len(words), **call)

    with peak_memory(place) as peak:
        took = cost.runtime(lambda text: draw([text]), texts, repeats, place)
    by_size = cost.by_batch(lambda size: draw(([*texts] * size)[:size]), (1, *batches), repeats, place)
    counted = cost.flops(lambda: draw(texts[:1])) if place.type == "cpu" else 0
    return Cost(took, by_size, peak.mib, cost.parameters(pipeline), counted), draw(shown) if shown else None
