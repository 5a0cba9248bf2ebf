"""What ships of a ControlNet is what was scored, in 8 bits, after the plan that was asked for."""

import json
from types import SimpleNamespace

import torch
from diffusers import ControlNetModel
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file

from experiments.adapters import control, loading, shipping
from experiments.data import maps
from experiments.data.relief import relief
from experiments.metrics.held_out import held_out
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


def test_the_network_on_depth_is_trained_and_drawn_from_depth_without_the_floor(pipe, monkeypatch, tmp_path):
    shown, row = [], RECIPES["controlnet-depth"]
    monkeypatch.setattr(shipping.zoo, "load", lambda name: pipe)
    monkeypatch.setattr(shipping.relief.learning, "material", lambda pipe: SimpleNamespace(scenes=held_out("validation", 4)))
    monkeypatch.setattr(shipping.relief.maps, "kept", lambda kind, scenes, name: maps.condition(kind, scenes))
    monkeypatch.setattr(shipping.relief.control, "loss", lambda pipe, model, known, pictures, batch: shown.append(pictures))
    monkeypatch.setattr(shipping.relief.learning, "learn", lambda model, loss, plan, name, tell: (model, SimpleNamespace(curve=[[16, 0.1]], seconds=1.0)))
    shipping.branch(row, Journal(row, torch.device("cpu"), lambda thing, thorough: {}, images=16), tmp_path)
    (pictures,) = shown
    assert (pictures == 0).float().mean() > 0.5 and pictures.amax() > 100  # depth itself is nowhere black
    held = held_out("test", 4)
    assert torch.equal(loading.asked("controlnet-depth", held), relief(maps.condition("depth", held)))
    assert torch.equal(loading.asked("lllyasviel/sd-controlnet-depth", held), maps.condition("depth", held))
    assert torch.equal(loading.asked("somebody/a-network", held, otherwise="edges"), maps.condition("edges", held))
