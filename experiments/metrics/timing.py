"""Seconds of a picture by each released system at its real size, without its weights, piece by piece.

A piece is one way of running (as it is, or with a compiled denoiser) at one batch size: the whole pipeline from words to
pixels with the release's steps and resolution, in bf16, after one call that does not count. Batches double until a picture
becomes no cheaper or memory ends; the compiled pipeline is timed alone and at the best of them. Each piece is kept as soon
as it is measured, in `weights/timing/<GPU>.json`, so a run may end at any time and the next goes on.
"""

from __future__ import annotations

import gc
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from experiments.artefacts import write_json
from experiments.metrics.latency import latency, peak_memory, synchronise
from experiments.metrics.published import LECTURE
from experiments.models import cards, machines, real_size
from experiments.models.systems import SYSTEMS, System, find
from experiments.models.zoo import WEIGHTS

FOLDER = WEIGHTS / "timing"
PROMPT = "A stop sign installed upside down on a street corner"  # one of the lecture's three; its words do not matter
BATCHES = (1, 2, 4, 8, 16, 32)
GAIN = 0.97  # a larger batch goes on being tried while a picture takes less than this share of the time
REPEATS, LONG = 3, 60.0  # calls that count, and the seconds of one call above which one is enough


@dataclass(frozen=True)
class Setting:
    """Where and how pictures are drawn; another than the default is for proving, on a processor, that all of it runs."""

    device: torch.device = torch.device("cuda")
    dtype: torch.dtype = torch.bfloat16
    build: Callable[[System, str], torch.nn.Module] | None = None  # components instead of the card's own
    call: Mapping[str, Any] = field(default_factory=dict)  # arguments instead of the release's own

    @property
    def real(self) -> bool:
        """Whether it says anything about the releases."""
        return self.build is None and not self.call


REAL = Setting()


def measure(name: str, minutes: float | None = None, setting: Setting = REAL, folder: Path = FOLDER,
            tell: Callable[[str], None] = print) -> bool:
    """Time what is not timed yet of the system `name`; False when `minutes` ended first.

    Raises RuntimeError where the setting asks for a GPU and there is none.
    """
    if setting.device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("no GPU here; real-size timing needs one, and goes on where it stopped on the next")
    begun, system = time.monotonic(), find(name)
    path = folder / f"{_slug(_name(setting.device))}.json"
    record = read(path) or _about(setting)
    row = record["systems"].setdefault(system.name, {"card": system.card, "steps": system.steps, "pieces": {}})
    if setting.real and machines.needs(system.card)[machines.FITS] * 1e9 > torch.cuda.get_device_properties(0).total_memory:
        row["too_large"] = True
        write_json(path, record)
        tell(f"{system.name}: too large for this GPU")
        return True
    pipeline = None
    try:
        for way, batch in _wanted(row["pieces"], setting.device):
            if minutes is not None and time.monotonic() - begun + _expected(row["pieces"], batch) > 60 * minutes:
                tell(f"{system.name}: stopped before {way}, batch {batch}; the same command goes on from there")
                return False
            pipeline = pipeline or _pipeline(system, setting)
            row["pieces"][f"{way} {batch}"] = _piece(pipeline, system, way, batch, setting)
            write_json(path, record)
            tell(f"{system.name}: {way}, batch {batch}: {_told(row['pieces'][f'{way} {batch}'])}")
    finally:
        del pipeline
        gc.collect()
        if setting.device.type == "cuda":
            torch.cuda.empty_cache()
    return True


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _about(setting: Setting) -> dict[str, Any]:
    versions = {name: version(name) for name in ("torch", "diffusers", "transformers")}
    about = {"device": _name(setting.device), "real": setting.real, "dtype": str(setting.dtype).removeprefix("torch.")}
    return about | {"versions": versions, "peak_tflops": round(peak(setting.device), 3), "systems": {}}


def peak(device: torch.device, side: int | None = None, repeats: int = 5) -> float:
    """10^12 operations a second of the best of `repeats` square matrix products: what this device can do at most."""
    side = side or (8192 if device.type == "cuda" else 512)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    taken = []
    for _ in range(repeats + 1):
        synchronise(device)
        start = time.perf_counter()
        left @ right
        synchronise(device)
        taken.append(time.perf_counter() - start)
    return 2 * side**3 / min(taken) / 1e12


# ---- what to measure --------------------------------------------------------------------------------------------------


def _wanted(pieces: dict[str, Any], device: torch.device) -> Iterator[tuple[str, int]]:
    """Pieces that are still to be measured, decided as results come in."""
    for batch in BATCHES:
        if f"eager {batch}" not in pieces:
            yield "eager", batch
        if not _worth_more(pieces, batch):
            break
    if device.type == "cuda":  # compiling for a processor takes minutes and gains nothing that could be reproduced
        for batch in dict.fromkeys((1, best(pieces))):
            if f"compiled {batch}" not in pieces:
                yield "compiled", batch


def _worth_more(pieces: dict[str, Any], batch: int) -> bool:
    """Whether the next batch size may make a picture cheaper."""
    here, before = pieces[f"eager {batch}"]["seconds"], pieces.get(f"eager {batch // 2}", {}).get("seconds")
    return here is not None and (before is None or here < GAIN * before)


def best(pieces: dict[str, Any], way: str = "eager") -> int:
    """The batch size at which a picture took the fewest seconds."""
    found = {int(key.split()[1]): piece["seconds"] for key, piece in pieces.items() if key.startswith(way) and piece["seconds"]}
    return min(found, key=found.get) if found else 1


def _expected(pieces: dict[str, Any], batch: int) -> float:
    """Seconds that a piece may take: two calls or more, at what a picture took alone, and as much again to compile."""
    alone = pieces.get("eager 1", {}).get("seconds") or 0.0
    return (3 if alone * batch > LONG else 1 + REPEATS) * alone * batch


# ---- measuring it -----------------------------------------------------------------------------------------------------


def _pipeline(system: System, setting: Setting) -> Any:
    build = setting.build and partial(setting.build, system)
    return real_size.pipeline(system, str(setting.device), setting.dtype, build)


def _piece(pipeline: Any, system: System, way: str, batch: int, setting: Setting) -> dict[str, Any]:
    """Seconds for one picture with quartiles, and the peak of memory; seconds are None where memory did not suffice."""
    if way == "compiled":
        _compile(getattr(pipeline, cards.denoiser(system.card)))
    call, device = partial(draw, pipeline, system, batch, setting), setting.device
    try:
        with peak_memory(device) as memory:
            taken = latency(call, batch, repeats=1, warmup=1, device=device)
            if taken.median < LONG:
                taken = latency(call, batch, REPEATS, warmup=0, device=device)
    except torch.OutOfMemoryError:
        return {"seconds": None, "why": "out of memory"}
    median, low, high = (round(seconds / batch, 4) for seconds in (taken.median, taken.low, taken.high))
    rate = cards.gigaflops(system.card)["image"] / taken.median * batch / 1e3 if setting.real else None
    return {"seconds": median, "low": low, "high": high, "calls": taken.repeats, "tflops": rate, "peak_gib": round(memory.mib / 1024, 2)}


@torch.inference_mode()
def draw(pipeline: Any, system: System, batch: int, setting: Setting = REAL) -> Any:
    """One call of the pipeline for `batch` pictures with the system's own arguments."""
    noise = [torch.Generator("cpu").manual_seed(k) for k in range(batch)]
    given = system.arguments | {key: value for key, value in setting.call.items() if key in system.arguments}
    return pipeline(prompt=[PROMPT] * batch, generator=noise, output_type="pt", **given).images


def _compile(module: torch.nn.Module) -> None:
    """Compile block by block where the class says which repeat (quick to compile), else as a whole; once."""
    if getattr(module, "_timed_compiled", False):
        return
    module.compile_repeated_blocks() if getattr(module, "_repeated_blocks", None) else module.compile()
    module._timed_compiled = True


def _told(piece: dict[str, Any]) -> str:
    return piece["why"] if piece["seconds"] is None else f"{piece['seconds']:.2f} s a picture"


# ---- reading it -------------------------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any] | None:
    """A record, or None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def records(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """What was timed at real size, one record a GPU."""
    found = [read(path) for path in sorted(folder.glob("*.json"))]
    return [record for record in found if record and record["real"]]


def table(record: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each system that the record has: seconds of a picture in each way, share of the measured peak, memory."""
    lecture = {row.model: row.seconds for row in LECTURE}
    rows = []
    for name, held in record["systems"].items():
        pieces = held["pieces"]
        row = {"system": name, "too large": held.get("too_large", False), "lecture": lecture.get(SYSTEMS[name].lecture)}
        for way in ("eager", "compiled"):
            alone, cheapest = pieces.get(f"{way} 1", {}), pieces.get(f"{way} {best(pieces, way)}", {})
            row |= {way: alone.get("seconds"), f"{way}, best batch": cheapest.get("seconds")}
        fastest = max((piece.get("tflops") or 0 for piece in pieces.values()), default=0)
        row["share of peak"] = fastest / record["peak_tflops"] if fastest else None
        row["peak memory, GiB"] = pieces.get("eager 1", {}).get("peak_gib")
        rows.append(row)
    return rows
