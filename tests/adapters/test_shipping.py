"""What ships of a ControlNet is what was scored, in 8 bits, after the plan that was asked for."""

import json
from types import SimpleNamespace

import torch
from diffusers import ControlNetModel
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file

from experiments.adapters import control, shipping
from experiments.models.recipes import RECIPES
from experiments.training.journal import Journal
from experiments.training.narrow import NARROW


def test_a_network_that_reads_maps_ships_as_it_was_scored(pipe, tmp_path, monkeypatch):
    scored, plans, row = [], [], RECIPES["controlnet-edges"]

    def trained(branch, base, tell):
        plans.append(branch.plan)
        return control.build(branch, base.unet), SimpleNamespace(curve=[[16, 0.1]], seconds=1.0)

    def measure(thing, thorough):
        scored.append({name: held.clone() for name, held in thing.state_dict().items()})
        assert thing.reads == "edges"
        return {}

    monkeypatch.setattr(shipping.zoo, "load", lambda name: pipe)
    monkeypatch.setattr(shipping.control, "trained_branch", trained)
    folder = shipping.branch(row, Journal(row, torch.device("cpu"), measure, images=64), tmp_path)
    read = ControlNetModel.from_pretrained(folder).state_dict()
    assert read.keys() == scored[-1].keys() and all(read[name].equal(held) for name, held in scored[-1].items())
    assert any(held.dtype == NARROW for held in load_file(folder / SAFETENSORS_WEIGHTS_NAME).values())
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert record["images_seen"] == 64 == plans[0].images and record["images_budget"] == row.images
    shipping.branch(row, Journal(row, torch.device("cpu"), measure, images=10 * row.images), tmp_path)
    assert plans[1].images == row.images  # a plan is shortened, never made longer
