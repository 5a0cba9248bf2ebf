"""How each pipeline class tells its denoiser what to draw, one module for each, from token ids made once.

A module offers

    TOKENIZERS                        names of the pipeline's tokenizers whose ids it reads
    told(pipeline, ids, generator)    what the denoiser hears, as the pipeline's own `encode_prompt` makes it; ids: name to [B,L]
    say(pipeline, x, timestep, told)  what the denoiser answers at x [B,C,h,w] and timestep [B] (of 1000), [B,C,h,w]

and where there is need `wording` (how a caption is put before it is cut into tokens) and `extras` (what else belongs to a
scene). Tests check each against its pipeline. The denoiser is the one that the pipeline holds at the time of the call.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch

Ids = dict[str, torch.Tensor]
Told = dict[str, Any]
RARELY = 1 / 32  # share of batches with the pipeline's default number of text tokens, so that a plain call works too


def of(pipeline: str) -> ModuleType:
    """The module for a row's `pipeline`."""
    return importlib.import_module(f"experiments.training.conditions.{pipeline.replace('-', '_')}")


def module_name(pipeline: str) -> str:
    """Its name, for what weights are made by."""
    return f"experiments.training.conditions.{pipeline.replace('-', '_')}"


def length(usual: int, long: int, generator: torch.Generator | None) -> int:
    """The number of text tokens of a batch: `usual`, or rarely the pipeline's default; without a generator always `usual`."""
    return long if generator is not None and torch.rand((), generator=generator) < RARELY else usual


def filled(ids: torch.Tensor, length: int, pad: int) -> torch.Tensor:
    """`ids` [B,L] with padding on the right (or less of it), [B,length]."""
    return torch.nn.functional.pad(ids, (0, length - ids.shape[1]), value=pad)
