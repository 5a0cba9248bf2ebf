"""Names to pipelines: a shipped miniature by its short name, any hub id, or any local folder in diffusers' format."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from experiments.artefacts import ROOT, file_hash, fingerprint
from experiments.models.recipes import RECIPES

WEIGHTS = ROOT / "weights"


def shipped() -> tuple[str, ...]:
    """Short names of the miniatures that ship with the project as pipelines."""
    return tuple(n for n in RECIPES if (WEIGHTS / n / "model_index.json").is_file())


def locate(name: str) -> str:
    """The folder of a shipped miniature or `name` itself where it is a folder or a hub id (owner/model).

    Raises ValueError with the nearest short name for anything else.
    """
    if (WEIGHTS / name / "model_index.json").is_file():
        return str(WEIGHTS / name)
    if Path(name).is_dir() or name.count("/") == 1:
        return name
    near = difflib.get_close_matches(name, shipped(), 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(
        f"no model {name!r}: {hint}give a shipped miniature ({', '.join(shipped()) or 'none is trained yet'}), "
        "a folder in diffusers' format, or a hub id such as owner/model"
    )


def weights_hash(folder: str | Path) -> str:
    """SHA-256, in hex, of all weights (`*.safetensors`) and configs under a folder, links followed; records do not count."""
    files = sorted(p for pattern in ("*.safetensors", "config.json") for p in glob(f"{folder}/**/{pattern}", recursive=True))
    if not files:
        raise FileNotFoundError(f"no weights in {Path(folder).name}: train it with `python -m experiments train {Path(folder).name}`")
    return fingerprint([(str(Path(f).relative_to(folder)), file_hash(f)) for f in files])


def load(name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, **options: Any) -> DiffusionPipeline:
    """The pipeline called `name` (see `locate`) on a device; `options` go to `DiffusionPipeline.from_pretrained`.

    Miniatures ship in 8 and 16 bits and compute in `dtype`. The pipeline's progress bar is off: callers own theirs.
    """
    pipeline = DiffusionPipeline.from_pretrained(locate(name), torch_dtype=dtype, **options).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return guiding(in_unit_range(pipeline))


def defaults(name: str) -> dict[str, Any]:
    """Arguments of a miniature's call that are its default settings; empty for any other model, whose class decides."""
    return dict(RECIPES[name].defaults) if name in RECIPES else {}


def in_unit_range(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """`pipeline` itself, whose pictures as tensors lie in [0, 1] from now on, whatever its class.

    diffusers' Kandinsky pipelines return `output_type="pt"` in [-1, 1], every other class in [0, 1].
    """
    return _called_by(pipeline, _in_unit_range) if type(pipeline).__name__.startswith("Kandinsky") else pipeline


def guiding(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """`pipeline` itself, which guides from now on by what its call says alone, whatever its class.

    diffusers' FLUX pipeline heeds `true_cfg_scale` only beside a negative prompt; every other class guides away from the empty one.
    """
    return _called_by(pipeline, _away_from_nothing) if type(pipeline).__name__ == "FluxPipeline" else pipeline


def _called_by(pipeline: DiffusionPipeline, call: Callable) -> DiffusionPipeline:
    plain = type(pipeline)
    if plain.__call__ is not call:
        pipeline.__class__ = type(plain.__name__, (plain,), {"__call__": call, "__module__": plain.__module__})
    return pipeline


def _in_unit_range(self, *given: Any, output_type: str = "pil", return_dict: bool = True, **named: Any):
    made = type(self).__mro__[1].__call__(self, *given, output_type=output_type, **named)
    if output_type == "pt":
        made.images = made.images * 0.5 + 0.5
    return made if return_dict else (made.images,)


def _away_from_nothing(self, prompt: str | list[str] | None = None, *given: Any, true_cfg_scale: float = 1.0, **named: Any):
    if true_cfg_scale > 1 and prompt is not None and not any(name.startswith("negative_prompt") for name in named):
        named["negative_prompt"] = "" if isinstance(prompt, str) else [""] * len(prompt)
    return type(self).__mro__[1].__call__(self, prompt, *given, true_cfg_scale=true_cfg_scale, **named)
