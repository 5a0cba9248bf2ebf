"""Text-to-image rows from their parts to their folder: shipped, loaded by diffusers alone, interrupted and resumed."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from experiments.data import dataset
from experiments.training import denoiser
from experiments.training import train as training
from experiments.training.journal import Journal, Unfinished
from experiments.training.narrow import narrow_

NAMES = ["mini-sd1.5", "mini-sd3"]


def journal(recipe, seen=None, **options) -> Journal:
    def measure(thing, thorough):
        if seen is not None:
            seen.append((type(thing).__name__, thorough))
        return {"share": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8}}

    return Journal(recipe, torch.device("cpu"), measure, **options)


@pytest.fixture(scope="module")
def workshop(tiny_parts, tmp_path_factory):
    """Weights, the two rows trained for 12 steps, and what was measured; 16 scenes in an empty cache."""
    import tiny_models

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPERIMENTS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(dataset, "CHUNK", 16)
        seen = {}
        for name in NAMES:
            recipe = tiny_models.row(name)
            denoiser.train(recipe, journal(recipe, seen.setdefault(name, [])), scenes=16, weights=tiny_parts)
        yield SimpleNamespace(weights=tiny_parts, seen=seen, row=tiny_models.row)


def part(name: str) -> str:
    return "unet" if name == "mini-sd1.5" else "transformer"


def weights_of(folder, name):
    return load_file(folder / name / part(name) / "diffusion_pytorch_model.safetensors")


PLAIN = """
import importlib.util, json, sys
import torch
from diffusers import DiffusionPipeline
assert importlib.util.find_spec("experiments") is None
for folder in sys.argv[1:]:
    pipe = DiffusionPipeline.from_pretrained(folder)
    parts = [m for m in pipe.components.values() if isinstance(m, torch.nn.Module)]
    types = sorted({str(p.dtype) for m in parts for p in m.parameters()})
    image = pipe("a small red metal cube", num_inference_steps=2).images[0]
    low, high = zip(*image.getextrema())
    print(json.dumps([type(pipe).__name__, types, list(image.size), max(h - l for l, h in zip(low, high))]))
"""


def test_plain_diffusers_loads_both_and_draws(workshop, tmp_path):
    """In a process of its own, from another folder, where our package cannot be imported."""
    script = tmp_path / "five_lines.py"
    script.write_text(PLAIN, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    folders = [str(workshop.weights / name) for name in NAMES]
    line = [sys.executable, "-c", NO_EDITABLE, str(script), *folders]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [f[0] for f in found] == ["StableDiffusionPipeline", "StableDiffusion3Pipeline"]
    for _, types, size, spread in found:
        assert types == ["torch.float32"] and size == [64, 64] and spread > 5


# An editable installation puts the project on every path: take it off again, then run the script.
NO_EDITABLE = """
import runpy, sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__name__", type(f).__name__).lower()]
sys.path[:] = [p for p in sys.path if p and "editable" not in p and not __import__("os").path.isdir(p + "/experiments")]
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("name", NAMES)
def test_small_formats_on_disk(workshop, name):
    for file in (workshop.weights / name).rglob("*.safetensors"):
        formats = {str(v.dtype) for v in load_file(file).values() if v.is_floating_point()}
        assert formats == {"torch.float16"} | ({"torch.float8_e4m3fn"} if part(name) in file.parts else set()), file.name


@pytest.mark.parametrize("name", NAMES)
def test_shared_parts_are_links_that_resolve_inside_the_weights(workshop, name):
    folder = workshop.weights / name
    links = [p for p in [*folder.iterdir(), *(folder / "vae").iterdir()] if p.is_symlink()]
    assert {p.name for p in links} >= {"text_encoder", "diffusion_pytorch_model.safetensors"}
    for link in links:
        assert not os.path.isabs(os.readlink(link)) and link.resolve(strict=True).is_relative_to(workshop.weights.resolve())
    own = sum(f.stat().st_size for f in folder.rglob("*.safetensors") if not f.is_symlink() and "text_encoder" not in f.parts[-2])
    assert own < 1.1 * sum(v.numel() * 2 for v in weights_of(workshop.weights, name).values()) + 20_000


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_the_machine(workshop, name):
    for file in (workshop.weights / name).rglob("*.json"):
        assert str(workshop.weights) not in file.read_text(encoding="utf-8"), file.name


@pytest.mark.parametrize("name", NAMES)
def test_the_record_is_complete(workshop, name):
    record = json.loads((workshop.weights / name / "training.json").read_text(encoding="utf-8"))
    wanted = {"recipe", "mirrors", "objective", "parameters", "images_seen", "images_budget", "seconds_spent", "device", "dtype",
              "curve", "evaluations", "expected", "scores", "code_sha256", "versions", "seed", "plan"}  # fmt: skip
    assert wanted <= record.keys()
    assert record["recipe"] == name and record["images_seen"] == record["images_budget"] == 96
    learned = [v for k, v in weights_of(workshop.weights, name).items() if k != "pos_embed.pos_embed"]  # a table, not a weight
    assert record["parameters"] == sum(v.numel() for v in learned)
    assert [at for at, _ in record["curve"]] == [8 * s for s in range(1, 13)]
    assert all(loss > 0 for _, loss in record["curve"])
    assert record["evaluations"] == [[16 * s, {"share": 0.5}] for s in range(1, 6)]
    assert record["scores"]["share"] == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8}
    assert record["code_sha256"] == workshop.row(name).made()
    assert workshop.seen[name][-1][1] and not any(thorough for _, thorough in workshop.seen[name][:-1])


def test_interrupted_and_resumed_ships_the_same_weights(workshop, tmp_path, monkeypatch):
    """The minutes are over after two steps, twice; the third call ends the plan. The scratch cache is another one."""
    name, recipe = "mini-sd1.5", workshop.row("mini-sd1.5")
    whole = weights_of(workshop.weights, name)
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    again = tmp_path / "weights"
    again.mkdir()
    for need in recipe.needs:
        os.symlink(workshop.weights / need, again / need)
    for images in ("16", "32"):
        with pytest.raises(Unfinished, match=f"mini-sd1.5: {images} of 96 images .*run it again"):
            denoiser.train(recipe, journal(recipe, minutes=1e-9), scenes=16, weights=again)
        assert not (again / name).exists()
    resumed = journal(recipe)
    denoiser.train(recipe, resumed, scenes=16, weights=again)
    parts = weights_of(again, name)
    assert parts.keys() == whole.keys() and all(torch.equal(parts[k], whole[k]) for k in whole)
    assert [at for at, _ in resumed.curve] == [8 * s for s in range(1, 13)]
    assert [at for at, _ in resumed.evaluations] == [16 * s for s in range(1, 6)]


def test_a_shorter_run_says_so_in_its_record(workshop, tmp_path):
    made = workshop.row("mini-sd1.5")
    short = journal(made, images=40)
    assert short.plan(denoiser.Plan(images=96, batch=8)).steps == 5
    assert journal(made, images=500).plan(denoiser.Plan(images=96, batch=8)).steps == 12  # never longer than the row says


def test_trained_weights_differ_from_the_initial_ones(workshop):
    torch.manual_seed(0)
    begun = denoiser.assemble_seeded(workshop.row("mini-sd1.5"), workshop.weights).unet
    narrow_(begun)
    first = begun.state_dict()
    last = weights_of(workshop.weights, "mini-sd1.5")
    assert sum(not torch.equal(first[k], last[k]) for k in last) > 0.9 * len(last)


# ---- by name --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("given", "near"), [("mini-sd15", "mini-sd1.5"), ("autoencodr", "autoencoder"), ("clip_wide", "clip-wide")])
def test_an_unknown_name_is_told_the_nearest(given, near):
    with pytest.raises(ValueError, match=f"no miniature '{given}': did you mean '{near}'"):
        training.train(given, lambda *a: {})


def test_a_row_that_lacks_a_part_says_which_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.models.zoo.WEIGHTS", tmp_path)
    with pytest.raises(FileNotFoundError, match="mini-sd3 is built on autoencoder, .*experiments train autoencoder"):
        training.train("mini-sd3", lambda *a: {})
    for done in ("autoencoder", "clip"):
        (tmp_path / done).mkdir()
        (tmp_path / done / "training.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="built on clip-wide"):
        training.train("mini-sd3", lambda *a: {})


def test_a_name_finds_its_trainer(monkeypatch):
    asked = {}

    def trainer(recipe, journal):
        asked.update(name=recipe.name, images=journal.images, minutes=journal.minutes, scores=journal.measure("thing", True))
        return "folder"

    monkeypatch.setattr("experiments.training.components.autoencoder", trainer)
    made = training.train("autoencoder", lambda name, thing, thorough: {name: (thing, thorough)}, "cpu", minutes=3, images=7)
    assert made == "folder"
    assert asked == dict(name="autoencoder", images=7, minutes=3, scores={"autoencoder": ("thing", True)})
