"""Saved weights made smaller where they lie: in 8 bits where those do, and without the tensors that another folder holds already."""

from __future__ import annotations

import os
from pathlib import Path

from diffusers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file, save_file

from experiments.artefacts import atomic_folder, write_json
from experiments.training.narrow import narrowed

SHARD = SAFETENSORS_WEIGHTS_NAME.replace(".", "-{:05d}-of-00002.")


def in_eight_bits(file: Path) -> None:
    """Rewrite a safetensors file in the formats of `narrow`. What was rounded to those before it was saved keeps its values."""
    save_file({name: narrowed(held) if held.is_floating_point() else held for name, held in load_file(file).items()}, file, {"format": "pt"})


def resting_on(folder: Path, source: Path) -> None:
    """Replace the weights in `folder` by two shards in diffusers' layout: a link to those in `source`, and a file of what is not there.

    Both are folders of models of diffusers, not sharded. Raises ValueError where they differ in a tensor that both have.
    """
    held, there = load_file(folder / SAFETENSORS_WEIGHTS_NAME), load_file(source / SAFETENSORS_WEIGHTS_NAME)
    strange = sorted(name for name, tensor in there.items() if name not in held or not tensor.equal(held[name]))
    if strange:
        raise ValueError(f"{folder.name} cannot rest on {source.name}: {strange[0]} is another; save a copy of {source.name} in it first")
    own = {name: tensor for name, tensor in held.items() if name not in there}
    size = sum(tensor.nbytes for tensor in held.values())
    with atomic_folder(folder) as scratch:
        os.symlink(os.path.relpath(source / SAFETENSORS_WEIGHTS_NAME, folder), scratch / SHARD.format(1))
        save_file(own, scratch / SHARD.format(2), {"format": "pt"})
        write_json(scratch / SAFE_WEIGHTS_INDEX_NAME, {"metadata": {"total_size": size}, "weight_map": {n: SHARD.format(1 + (n in own)) for n in held}})
        (scratch / "config.json").write_bytes((folder / "config.json").read_bytes())
