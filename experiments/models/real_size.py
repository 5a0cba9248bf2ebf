"""Pipelines of the released systems at their real size, from their cards, with random weights.

How long a picture takes does not depend on the values of the weights, so what is timed here is the release's speed: its
own pipeline class, components, scheduler, number of steps and length of text. Only the words are missing: in place of each
tokenizer stands one that gives as many tokens for any text.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from transformers import BatchEncoding, CLIPImageProcessor

from experiments.models import cards, flops, pipelines
from experiments.models.systems import System

TOKEN = 3  # a plain word in every vocabulary here
LEFT_OUT = ("safety_checker", "feature_extractor", "image_encoder")  # what plain text to image does without
Build = Callable[[str], torch.nn.Module]


class Tokens:
    """A tokenizer that gives `length` tokens for any text."""

    def __init__(self, length: int):
        self.model_max_length = length

    def __call__(self, text: str | list[str], max_length: int | None = None, **options: Any) -> BatchEncoding:
        rows = 1 if isinstance(text, str) else len(text)
        ids = torch.full((rows, min(max_length or self.model_max_length, self.model_max_length)), TOKEN)
        return BatchEncoding({"input_ids": ids, "attention_mask": torch.ones_like(ids)})

    def apply_chat_template(self, messages: list[Any], tokenize: bool = True, **options: Any) -> Any:
        return self(["text"] * len(messages), options.get("max_length")) if tokenize else "text"

    def tokenize(self, text: str, **options: Any) -> list[str]:
        return []  # only asked for words that textual inversion added

    def batch_decode(self, ids: Any, **options: Any) -> list[str]:
        return []


def pipeline(system: System, device: str = "cuda", dtype: torch.dtype = torch.bfloat16, build: Build | None = None) -> Any:
    """The pipeline of a system with random weights; `build(component)` may give others than the card's own."""
    make = build or (lambda part: cards.build(system.card, part, device, dtype))
    kind, card = pipeline_class(system.pipeline), cards.card(system.card)
    asked = inspect.signature(kind.__init__).parameters
    needed = [name for name, given in asked.items() if name not in ("self", *LEFT_OUT) and _needed(name, given, card)]
    parts = {name: _part(name, card, make) for name in needed}
    off = {name: None for name in LEFT_OUT if name in asked} | {name: False for name in asked if name == "requires_safety_checker"}
    made = kind(**parts, **off)
    made.set_progress_bar_config(disable=True)
    for inner in ("prior_pipe", "decoder_pipe"):  # the two stages of Kandinsky 2
        if hasattr(made, inner):
            getattr(made, inner).set_progress_bar_config(disable=True)
    return made.to(device)


def pipeline_class(name: str) -> type:
    """A pipeline class by name, of diffusers or of `experiments.models.pipelines`."""
    if hasattr(diffusers, name):
        return getattr(diffusers, name)
    for found in pkgutil.iter_modules(pipelines.__path__):
        module = importlib.import_module(f"{pipelines.__name__}.{found.name}")
        if hasattr(module, name):
            return getattr(module, name)
    raise ValueError(f"no pipeline class {name!r} in diffusers or in experiments.models.pipelines")


def _needed(name: str, given: inspect.Parameter, card: dict[str, Any]) -> bool:
    """Whether an argument of a pipeline's constructor has no default, or is an optional part that the card holds."""
    return given.default is inspect.Parameter.empty or name.replace("tokenizer", "text_encoder") in card["components"]


def _part(name: str, card: dict[str, Any], make: Build) -> Any:
    part = "prior" if name == "prior_prior" else name
    if part in card["components"]:
        return make(part)
    if part.endswith("scheduler"):
        held = card["scheduler"]["prior"] if part.startswith("prior") else card["scheduler"]
        return getattr(diffusers, held["class"]).from_config(held["config"])
    if "tokenizer" in part:
        return Tokens(flops.tokens(card, part.replace("tokenizer", "text_encoder")))
    if part.endswith("image_processor"):
        return CLIPImageProcessor()
    raise ValueError(f"the card of {card['name']} says nothing of {name}, which its pipeline needs")
