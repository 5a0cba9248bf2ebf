"""One worker's share of a set: the batches k, k + n, k + 2n, ... that nobody has finished yet.

Batches are cut before anybody starts and each picture has a generator of its own, so that a picture is the same whoever
draws it. On the CPU every worker computes with one thread: sums are then taken in one order, and several workers are
faster than several threads.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from experiments.artefacts import source_hash
from experiments.models import hub
from experiments.models.systems import System
from experiments.sampling import fit
from experiments.sampling.generate import generator
from experiments.sampling.jobs import Job, Jobs
from experiments.sampling.sets import Set
from experiments.sampling.stages import Caught, Staged

AHEAD = 2  # batches that may wait for decoding
WORDS = 0.25  # share of free memory that remembered words may take
CODE = ("experiments.sampling.stages", "experiments.sampling.pictures", "experiments.models.pipelines.insta_flow")
PACKAGES = ("torch", "diffusers", "transformers", "pillow")


@dataclass(frozen=True)
class Settings:
    """How to draw. None takes the row's steps and resolution, the batch that fits, the best device there is."""

    steps: int | None = None
    resolution: int | None = None
    batch: int | None = None
    device: str | None = None
    compiled: bool = False
    worker: int = 0
    workers: int = 1

    @property
    def place(self) -> torch.device:
        if self.device:
            return torch.device(self.device)
        local = int(os.environ.get("LOCAL_RANK", 0))
        return torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")


@dataclass(frozen=True)
class Step:
    """A batch was stored: pictures there of all that the list wants, and seconds left for this worker's share."""

    system: str
    there: int
    wanted: int
    each: float  # seconds a picture, of this worker so far
    left: float


def share_from_environment() -> dict[str, int]:
    """Which worker of how many this process is, as `accelerate launch` and torchrun say it."""
    return {"worker": int(os.environ.get("RANK", 0)), "workers": int(os.environ.get("WORLD_SIZE", 1))}


def arguments(system: System, settings: Settings) -> dict[str, Any]:
    """Arguments of the pipeline's call, with what the settings ask for instead of the row's."""
    call = system.arguments
    if settings.resolution:
        call |= {"height": settings.resolution, "width": settings.resolution}
    if settings.steps:
        call |= {"num_inference_steps": settings.steps}
        if "prior_num_inference_steps" in call:
            call["prior_num_inference_steps"] = min(settings.steps, call["prior_num_inference_steps"])
    return call


def identity(source: hub.Source, settings: Settings) -> dict[str, Any]:
    """All that decides a byte and is known beforehand."""
    system, device = source.system, settings.place
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    call = arguments(system, settings)
    return {
        "system": system.name,
        "revisions": source.revisions,
        "variant": system.variant,
        "pipeline": system.pipeline,
        "arguments": call,
        "dtype": str(precision(system, device)).removeprefix("torch."),
        "device": kind,
        "compiled": settings.compiled,
        "asked batch": settings.batch,
        "decoded at once": fit.decoded(call.get("height", 64) ** 2),
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "code": source_hash(*CODE)[:12],
    }


def precision(system: System, device: torch.device) -> torch.dtype:
    """The row's on a GPU; float32 on a CPU, where half precision is slower and not everywhere implemented."""
    return torch.float32 if device.type == "cpu" else getattr(torch, system.dtype)


def draw(system: System, jobs: Jobs, out: str | Path, settings: Settings = Settings(), pipeline: Any = None) -> Iterator[Step]:
    """Draw this worker's share of `jobs` by `system` into a set below `out`; a step for each batch that is stored.

    What was finished before is left as it is, by whomever. The generator's value (of `yield from`) is the `Set`.
    `pipeline` is the system's, loaded already; it is taken apart and no good to anybody afterwards.
    """
    source = hub.fetch(system)
    loaded: list[Staged] = []

    def staged() -> Staged:
        if not loaded:
            loaded.append(Staged(pipeline or hub.load(source, precision(system, settings.place)), settings.place))
        return loaded[0]

    with _one_thread(settings.place):
        call = arguments(system, settings)
        made = Set.begin(Path(out), jobs, identity(source, settings), lambda: _choose(source, settings, staged, jobs, call))
        todo = made.left(settings.worker, settings.workers)
        if todo:
            yield from _share(staged(), made, todo, call, settings)
        made.finish()
    return made


@contextlib.contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _choose(source: hub.Source, settings: Settings, staged: Any, jobs: Jobs, call: dict[str, Any]) -> dict[str, Any]:
    """The rest of a plan: the batch, and the hashes of the weights."""
    pixels = call.get("height", 64) ** 2
    weights = source.hashes()
    if settings.batch or settings.place.type != "cuda":
        return {"batch": settings.batch or fit.on_cpu(pixels), "weights": weights}
    made, few = staged(), [job.text for job in jobs.jobs[:1]] * 2
    made.encode(few[:1], **call)
    made.release(keep=True)
    short = call | {"num_inference_steps": 2}

    def attempt(n: int) -> None:
        noise = [torch.Generator().manual_seed(i) for i in range(n)]
        made.decode(made.denoise(few[:n], noise, **short), fit.decoded(pixels))

    return {"batch": fit.on_gpu(attempt, settings.place), "weights": weights}


def _share(staged: Staged, made: Set, todo: Sequence[int], call: dict[str, Any], settings: Settings) -> Iterator[Step]:
    """Draw the batches `todo`; while one is denoised, the one before is decoded and stored."""
    finisher = Finisher(staged, made)
    drawn, began = 0, time.perf_counter()
    wanted = sum(len(made.batches[k]) for k in todo)
    try:
        for portion in _portions(staged, made, todo, call):
            if settings.compiled:
                _compile(staged)
            for k in portion:
                started = time.perf_counter()
                batch = made.batches[k]
                noise = [generator(f"{made.jobs.split}/{job.image}", job.seed) for job in batch]
                finisher.take(k, staged.denoise(_texts(batch), noise, **call), started)
                for stored in finisher.stored(AHEAD if k != todo[-1] else 0):
                    drawn += len(made.batches[stored])
                    each = (time.perf_counter() - began) / drawn
                    yield Step(made.plan["system"], made.there(), len(made.jobs), each, each * (wanted - drawn))
    finally:
        finisher.close()


def _texts(batch: Sequence[Job]) -> list[str]:
    return [job.text for job in batch]


def _portions(staged: Staged, made: Set, todo: Sequence[int], call: dict[str, Any]) -> Iterator[Sequence[int]]:
    """Cut `todo` where the words of more batches would not fit in memory; each portion's words are encoded before it."""
    room = WORDS * psutil.virtual_memory().available / int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    i = 0
    while i < len(todo):
        staged.forget()
        start = i
        while i < len(todo) and (i == start or staged.bytes * (i - start + 1) / (i - start) <= room):
            staged.encode(list(dict.fromkeys(_texts(made.batches[todo[i]]))), **call)
            i += 1
        staged.release(keep=i < len(todo))
        yield todo[start:i]


def _compile(staged: Staged) -> None:
    """Compile every denoiser once: its repeated blocks where diffusers lists them, which takes seconds, else the whole."""
    for module in staged.denoisers:
        if not getattr(module, "experiments_compiled", False):
            module.experiments_compiled = True
            if getattr(module, "_repeated_blocks", None):
                module.compile_repeated_blocks()
            else:
                module.compile()


class Finisher:
    """A thread that decodes and stores batches in the order in which they come, on a stream of its own on a GPU."""

    def __init__(self, staged: Staged, made: Set):
        self.staged, self.made = staged, made
        self.pool = ThreadPoolExecutor(1)
        self.waiting: list[tuple[int, Future]] = []
        gpu = staged.device.type == "cuda"
        self.stream = torch.cuda.Stream(staged.device) if gpu else None

    def take(self, k: int, caught: Caught, started: float) -> None:
        """Have batch k, whose denoising began at `started`, decoded and stored."""
        ready = torch.cuda.current_stream(self.staged.device).record_event() if self.stream else None
        self.waiting.append((k, self.pool.submit(self._finish, k, caught, started, ready)))

    def _finish(self, k: int, caught: Caught, started: float, ready: Any) -> None:
        if self.stream is None:
            torch.set_num_threads(1)
        with torch.cuda.stream(self.stream) if self.stream else contextlib.nullcontext():
            if self.stream:
                self.stream.wait_event(ready)
            pictures, replaced = self.staged.decode(caught, self.made.plan["decoded at once"])
            pictures = pictures.cpu()
        self.made.write(k, pictures, replaced, time.perf_counter() - started)

    def stored(self, most: int) -> Iterator[int]:
        """Batches that are stored by now; waits until no more than `most` are not. Raises what storing one raised."""
        while self.waiting and (len(self.waiting) > most or self.waiting[0][1].done()):
            k, future = self.waiting.pop(0)
            future.result()
            yield k

    def close(self) -> None:
        self.pool.shutdown(wait=True)
