"""Cards of the released models: the configuration of every component, built without weights and counted.

A card is a file of `models/releases`: each component's class and configuration with where it was read, the release's
default settings, its licence and the sizes that others published. Components are the real diffusers and transformers
classes on torch's `meta` device, where a tensor has a shape and no memory, so that 32 billion parameters build in seconds.
What counting gives is kept in `releases/counted.json` (`python -m experiments.models.cards` writes it anew), and a test
builds everything again and compares.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from experiments.artefacts import atomic_write

FOLDER = Path(__file__).parent / "releases"
COUNTED = FOLDER / "counted.json"
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "4 bits": 0.5}  # of one parameter
CLOSE = 0.02  # a published size that differs by more is explained in `explanations.json`


class Published(NamedTuple):
    """A size that somebody published: parameters of `part` (parts joined by +, or TOTAL), beside what was counted."""

    part: str
    value: float
    source: str
    counted: int
    explanation: str

    @property
    def difference(self) -> float:
        """(counted - published) / published."""
        return self.counted / self.value - 1


@cache
def names() -> tuple[str, ...]:
    """The released models that have a card, by their short names such as "sd-1.5"."""
    return tuple(sorted(path.stem for path in (FOLDER / "cards").glob("*.json")))


@cache
def card(name: str) -> dict[str, Any]:
    """The card of a released model. Raises ValueError with the nearest name for one that has none."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"no card {name!r}; {hint}there are: {', '.join(names())}")
    return json.loads((FOLDER / "cards" / f"{name}.json").read_text(encoding="utf-8"))


def mirrored(text: str) -> str | None:
    """The card that a recipe's `mirrors` names, alone or with words after it; None where it names none."""
    found = [name for name in names() if re.match(rf"{re.escape(name)}(?![\w.-])", text)]
    return max(found, key=len, default=None)


def hub(name: str) -> tuple[str, ...]:
    """The repositories of a release on the model hub, such as "owner/model": one, or decoder and prior."""
    first, *rest = re.findall(r"[\w.-]+/[\w.-]+|(?<=\+ )[\w.-]+", re.sub(r"\(was [^)]*\)", "", card(name)["name"]))
    owner = first.partition("/")[0]
    return first, *(other if "/" in other else f"{owner}/{other}" for other in rest)


@cache
def _access() -> dict[str, dict[str, Any]]:
    return json.loads((FOLDER / "access.json").read_text(encoding="utf-8"))


def access(name: str) -> dict[str, Any]:
    """What is known of how a release can be had: "gated", or "withdrawn" with a "mirror", and its "source"; may be empty."""
    card(name)
    return _access().get(name, {})


def unseen(name: str) -> dict[str, str]:
    """Components whose own file was not seen, with how their configuration is known."""
    parts = card(name)["components"]
    return {part: held["status"] for part, held in parts.items() if "inferred" in held["status"]}


# ---- building -------------------------------------------------------------------------------------------------------


def build(name: str, part: str, device: str = "meta", dtype: Any = None) -> Any:
    """The component `part` of a card: its real class on `device`, with random weights there unless that is "meta"."""
    return made(card(name)["components"][part], device, dtype)


def made(component: dict[str, Any], device: str = "meta", dtype: Any = None) -> Any:
    """A module from "class", "library" and "config", ready to run and not to be trained."""
    import torch

    kind = getattr(importlib.import_module(component["library"]), component["class"])
    own, config = component["library"] == "diffusers", component["config"]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype or before)
    try:
        with torch.device(device):
            module = kind.from_config(_known(kind, config)) if own else kind(kind.config_class(**config))
    finally:
        torch.set_default_dtype(before)
    if dtype and not own:  # a configuration of transformers may name a type of its own
        module = module.to(dtype)
    return module.eval().requires_grad_(False)


def _known(kind: type, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without keys that this version's class has dropped; those that start with _ stay."""
    taken = inspect.signature(kind.__init__).parameters
    return {key: value for key, value in config.items() if key in taken or key.startswith("_")}


# ---- counting -------------------------------------------------------------------------------------------------------


@cache
def counted() -> dict[str, Any]:
    """What `releases/counted.json` holds: {model: {component: {"parameters", "buffers", "gigaflops", "working", "runs"}}}."""
    return json.loads(COUNTED.read_text(encoding="utf-8"))


def count(name: str) -> dict[str, int]:
    """Parameters of each component of a released model."""
    card(name)
    return {part: row["parameters"] for part, row in counted()[name].items()}


def denoiser(name: str) -> str:
    """Which component of a card denoises: "unet" or "transformer"."""
    return next(part for part in ("transformer", "unet") if part in card(name)["components"])


def gigaflops(name: str) -> dict[str, float]:
    """10^9 floating-point operations: "forward" of the denoiser on one latent, "image" for the whole picture.

    An image is what the default call does: text encoders, every pass of the denoiser (two a step with classifier-free
    guidance), a diffusion prior if there is one, and the decoder. A multiply-add counts as two operations.
    """
    rows = counted()[name]
    return {"forward": rows[denoiser(name)]["gigaflops"], "image": sum(row["gigaflops"] * row["runs"] for row in rows.values())}


def gigabytes(name: str, dtype: str = "bfloat16") -> dict[str, float]:
    """10^9 bytes that each component's weights take in `dtype`, one of `BYTES`; fixed position tables included."""
    return {part: (row["parameters"] + row["buffers"]) * BYTES[dtype] / 1e9 for part, row in counted()[name].items()}


def published(name: str) -> list[Published]:
    """Every published size of a card beside what was counted, with the explanation where they differ by more than `CLOSE`."""
    sizes, said = count(name), explanations().get(name, {})
    return [
        Published(part, row["value"], row["source"], _sum(sizes, part), said.get(f"{part} {row['value']:.4g}", ""))
        for part, rows in card(name)["published_params"].items()
        for row in rows
        if row["kind"] == "published"
    ]


def _sum(sizes: dict[str, int], part: str) -> int:
    return sum(sizes.values()) if part == "TOTAL" else sum(sizes[each] for each in part.split("+"))


@cache
def explanations() -> dict[str, dict[str, str]]:
    """Why a published size differs: {model: {"part value": sentence}}."""
    return json.loads((FOLDER / "explanations.json").read_text(encoding="utf-8"))


def measure(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Build and count each component of a card now; what `counted` keeps."""
    from experiments.models import flops

    runs = flops.runs(card(name))
    for part, held in card(name)["components"].items():
        same = held["class"], json.dumps(held["config"]), json.dumps(flops.sizes(card(name), part))
        yield part, _measured_once(same, name, part) | {"runs": runs[part]}


_MEASURED: dict[tuple[str, ...], dict[str, Any]] = {}


def _measured_once(same: tuple[str, ...], name: str, part: str) -> dict[str, Any]:
    """`_measured`, once for components that several releases share."""
    if same not in _MEASURED:
        _MEASURED[same] = _measured(name, part)
    return _MEASURED[same]


def _measured(name: str, part: str) -> dict[str, Any]:
    """Parameters, elements of fixed tables in the file, 10^9 operations of a forward pass and 10^9 bytes that it holds."""
    from experiments.models import flops

    module = build(name, part)
    saved = module.state_dict().keys()
    operations, working = flops.forward(module, card(name), part)
    return {
        "parameters": sum(each.numel() for each in module.parameters()),
        "buffers": sum(each.numel() for key, each in module.named_buffers() if key in saved),
        "gigaflops": round(operations, 3),
        "working": round(working, 3),
    }


def write() -> None:
    """Count every card and write `counted.json`, a line for each component."""
    models = []
    for name in names():
        rows = ",\n".join(f"  {json.dumps(part)}: {json.dumps(row)}" for part, row in measure(name))
        models.append(f' {json.dumps(name)}: {{\n{rows}\n }}')
    with atomic_write(COUNTED, "w") as handle:
        handle.write("{\n" + ",\n".join(models) + "\n}\n")


if __name__ == "__main__":
    write()
