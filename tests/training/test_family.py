"""Every member of the family at tiny widths: trained for a few steps, shipped, loaded by plain diffusers, drawn the same; resumed
where it was killed, to the bit."""

from __future__ import annotations

import json
import os
import shutil
from importlib import import_module
from types import SimpleNamespace

import pytest
import tiny_family
import tiny_models
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from experiments.data import dataset
from experiments.models.zoo import guiding, in_unit_range
from experiments.training import denoiser, movq, pairs, prior, text_encoders, text_to_image
from experiments.training.further import Leg, NothingToGoOnFrom
from experiments.training.journal import DENOISERS, Journal, Unfinished
from experiments.training.loop import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore")
SCENES = 16
TEXT = "a small red metal cube"


def journal(recipe, thing=None, **options) -> Journal:
    """Keeps in `thing` a picture, or else what it was asked about, when the record is made."""

    def measure(pipe, thorough):
        if thing is not None and thorough:
            thing.append(drawn(pipe, recipe) if recipe.name in tiny_family.MEMBERS else pipe)
        return {"share": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8}}

    return Journal(recipe, torch.device("cpu"), measure, **options)


def drawn(pipe, recipe) -> torch.Tensor:
    call = dict(recipe.defaults) | dict(num_inference_steps=min(2, recipe.defaults["num_inference_steps"]))
    return pipe(prompt=[TEXT], generator=[torch.Generator().manual_seed(0)], output_type="pt", **call).images


def trainer(recipe):
    module, _, name = recipe.trainer.partition(":")
    return getattr(import_module(module), name)


@pytest.fixture(scope="session")
def family(tiny_family_parts, tmp_path_factory):
    """Weights, all members trained for four steps, and a picture of each as it was when it was shipped; 16 scenes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPERIMENTS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(dataset, "CHUNK", SCENES)
        patch.setattr(pairs, "CHUNK", 4)
        first = tiny_models.row("mini-sd1.5", images=16)
        denoiser.train(first, journal(first), scenes=SCENES, weights=tiny_family_parts)
        pictures = {}
        for name in tiny_family.MEMBERS:
            recipe = tiny_family.row(name)
            trainer(recipe)(recipe, journal(recipe, pictures.setdefault(name, [])), scenes=SCENES, weights=tiny_family_parts)
        yield SimpleNamespace(weights=tiny_family_parts, pictures=pictures)


@pytest.mark.parametrize("name", tiny_family.MEMBERS)
def test_plain_diffusers_draws_what_was_trained(family, name):
    pipe = DiffusionPipeline.from_pretrained(family.weights / name)
    pipe.set_progress_bar_config(disable=True)
    picture = drawn(guiding(in_unit_range(pipe)), tiny_family.row(name))
    assert 0 <= picture.min() < picture.max() <= 1 or "kandinsky" in name  # Kandinsky's pipelines do not cut what is outside
    assert picture.shape == (1, 3, 64, 64) and picture.isfinite().all() and picture.std() > 0.01
    before = family.pictures[name][-1]
    assert (picture - before).abs().max() < 0.05 * before.std() + 0.02  # half precision lies between
    types = {p.dtype for m in pipe.components.values() if isinstance(m, torch.nn.Module) for p in m.parameters()}
    assert types == {torch.float32}


@pytest.mark.parametrize("name", tiny_family.MEMBERS)
def test_the_folder_is_small_and_the_record_complete(family, name):
    folder, recipe = family.weights / name, tiny_family.row(name)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert record["recipe"] == name and record["images_seen"] == 16 and record["code_sha256"] == recipe.made()
    assert len(record["curve"]) == 4 and all(loss > 0 for _, loss in record["curve"])
    for file in folder.rglob("*.safetensors"):
        short = {"torch.float8_e4m3fn"} if file.parent.name in DENOISERS else set()
        assert {str(v.dtype) for v in load_file(file).values() if v.is_floating_point()} == {"torch.float16"} | short, file
        assert file.resolve().is_relative_to(family.weights.resolve())
    autoencoder = {"vae", "movq"} & {part.name for part in folder.iterdir()}
    for shared in {*recipe.config["shared"], *autoencoder}:
        assert (folder / shared).is_symlink() or any(f.is_symlink() for f in (folder / shared).iterdir())
    for file in folder.rglob("*.json"):
        assert str(family.weights) not in file.read_text(encoding="utf-8")
    if "pairs" in recipe.config:
        assert record["pairs"]["count"] == 8 and record["pairs"]["teacher"] == recipe.config["pairs"]["teacher"]


def weights_of(folder):
    return {f"{f.parent.name}.{k}": v for f in folder.glob("[ut]*/*.safetensors") if not f.is_symlink() for k, v in load_file(f).items()}


@pytest.mark.parametrize("name", ["mini-hunyuan-dit", "mini-flux1-dev", "mini-rectified-diffusion"])
def test_interrupted_and_resumed_ships_the_same_weights(family, name, tmp_path, monkeypatch):
    """One of each kind of training: from the beginning, by a teacher's guidance, on a teacher's pairs."""
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    recipe, again = tiny_family.row(name), tmp_path / "weights"
    again.mkdir()
    for need in (*recipe.needs, "clip"):
        if not (again / need).exists():
            os.symlink(family.weights / need, again / need)
    stops = 0
    while True:
        try:
            trainer(recipe)(recipe, journal(recipe, minutes=1e-9), scenes=SCENES, weights=again)
            break
        except Unfinished as error:
            assert "run it again to go on" in str(error)
            stops += 1
    assert stops >= 1
    whole, parts = weights_of(family.weights / name), weights_of(again / name)
    assert whole and parts.keys() == whole.keys() and all(torch.equal(parts[k], whole[k]) for k in whole)
    kept = text_to_image.checkpoint(recipe, SCENES, again)
    content = bytearray(kept.read_bytes())
    content[-20] ^= 1
    kept.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{kept.name} is damaged"):
        trainer(recipe)(recipe, journal(recipe), scenes=SCENES, weights=again)


def leg(family, name, tmp_path, **options) -> Leg:
    """What goes on with a copy of `name`, whose needs are links."""
    again = tmp_path / "again"
    if not again.exists():
        shutil.copytree(family.weights / name, again / name, symlinks=True)
        for other in family.weights.iterdir():
            if other.name != name:
                os.symlink(other, again / other.name)
    options = dict(recipe=tiny_family.row(name, images=100), images=8, weights=again) | options
    return Leg(device=torch.device("cpu"), measure=lambda pipe, thorough: {}, **options)


@pytest.mark.parametrize("name", ["mini-hunyuan-dit", "mini-rectified-diffusion"])
def test_a_leg_goes_on_from_what_ships_and_its_record_tells_of_both(family, name, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    first = json.loads((family.weights / name / "training.json").read_text(encoding="utf-8"))
    still = leg(family, name, tmp_path, recipe=tiny_family.row(name, images=100, rate=0.0))
    trainer(still.recipe)(still.recipe, still, scenes=SCENES, weights=still.weights)
    before, after = weights_of(family.weights / name), weights_of(still.folder)
    assert before and all(torch.equal(before[k], after[k]) for k in before)  # at rate 0, so it began with what had shipped
    second = leg(family, name, tmp_path)
    trainer(second.recipe)(second.recipe, second, scenes=SCENES, weights=second.weights)
    record = json.loads((second.folder / "training.json").read_text(encoding="utf-8"))
    assert any(not torch.equal(before[k], v) for k, v in weights_of(second.folder).items())
    assert record["images_seen"] == first["images_seen"] + 16 and record["seconds_spent"] >= first["seconds_spent"]
    assert [plan["images"] for plan in (*record["legs"], record["plan"])] == [first["plan"]["images"], 8, 8]
    assert len({plan["seed"] for plan in (*record["legs"], record["plan"])}) == 3
    assert [at for at, _ in record["curve"]] == [4, 8, 12, 16, 20, 24, 28, 32]


def test_a_leg_that_was_killed_goes_on_to_the_same_weights(family, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    name, ends, stops = "mini-hunyuan-dit", [], 0
    for place, minutes in (("whole", None), ("parts", 1e-9)):
        while True:
            one = leg(family, name, tmp_path / place, minutes=minutes, images=16)
            try:
                ends.append(weights_of(trainer(one.recipe)(one.recipe, one, scenes=SCENES, weights=one.weights)))
                break
            except Unfinished:
                stops += 1
        shutil.rmtree(tmp_path / "cache" / "training")
    assert stops >= 1 and all(torch.equal(ends[0][k], ends[1][k]) for k in ends[0])


def test_a_leg_says_what_it_lacks(family, tmp_path):
    with pytest.raises(NothingToGoOnFrom, match="only a pipeline's denoiser goes on: train movq without --more"):
        leg(family, "movq", tmp_path)
    seen = tiny_family.row("mini-hunyuan-dit")
    with pytest.raises(NothingToGoOnFrom, match="has seen all 16 images of its budget"):
        leg(family, seen.name, tmp_path / "other", recipe=seen)


def test_a_start_of_another_make_is_refused(family):
    recipe = tiny_family.row("mini-pixart")
    model = text_to_image.part(text_to_image.assemble(recipe, family.weights))
    with pytest.raises(ValueError, match="mini-flux1-dev is of another make"):
        text_to_image.begin(model, family.weights / "mini-flux1-dev")


def test_a_student_starts_as_its_teacher(family):
    """The embedding of guidance, which the teacher lacks, says nothing at first."""
    model = text_to_image.part(text_to_image.assemble(tiny_family.row("mini-flux1-dev"), family.weights))
    text_to_image.begin(model, family.weights / "mini-flux1-teacher")
    older = text_to_image.part(DiffusionPipeline.from_pretrained(family.weights / "mini-flux1-teacher"))
    asked = dict(
        hidden_states=torch.randn(1, 16, 16), encoder_hidden_states=torch.randn(1, 5, 80), pooled_projections=torch.randn(1, 32),
        timestep=torch.tensor([0.5]), img_ids=torch.zeros(16, 3), txt_ids=torch.zeros(5, 3), return_dict=False,
    )  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(model(**asked, guidance=torch.tensor([4.0]))[0], older(**asked)[0])


@pytest.mark.parametrize("name", [*tiny_family.TEXT, "movq", "kandinsky-prior"])
def test_parts_are_trained_and_shipped(family, name, tmp_path):
    recipe, weights = tiny_family.row(name, images=12), tmp_path / "weights"
    weights.mkdir()
    os.symlink(family.weights / "clip", weights / "clip")
    module, _, function = recipe.trainer.rpartition(".")[2].partition(":")
    train = getattr({"text_encoders": text_encoders, "movq": movq, "prior": prior}[module], function)
    things = []
    folder = train(recipe, journal(recipe, things), SCENES, weights)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert record["recipe"] == name and len(record["curve"]) == 3
    assert list(folder.rglob("*.safetensors")) and things
    if recipe.config.get("scores", "").endswith("token_accuracy"):
        hits, total = text_encoders.accuracy(things[-1], 4)
        assert 0 <= hits <= total and total > 20


def test_codes_of_movq_have_the_wanted_scale_and_decode_as_before(family):
    from diffusers import VQModel

    from experiments.training import movq_loss

    torch.manual_seed(0)
    model = VQModel(**tiny_family.row("movq").config["model"]).eval()
    x = torch.rand(32, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = model.decode(model.encode(x).latents, force_not_quantize=True).sample
        movq_loss.standardise(model, x)
        code = model.encode(x).latents
        after = model.decode(code, force_not_quantize=True).sample
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    assert code.mean((0, 2, 3)).abs().max() < 1e-3 and (code.std((0, 2, 3)) - movq_loss.SPREAD).abs().max() < 1e-3


def test_pictures_of_kandinsky_lie_in_the_range_of_all_others(family):
    plain = DiffusionPipeline.from_pretrained(family.weights / "mini-kandinsky3")
    plain.set_progress_bar_config(disable=True)
    row = tiny_family.row("mini-kandinsky3")
    theirs = drawn(plain, row)
    ours = in_unit_range(plain)
    assert ours is plain and type(ours).__name__ == "Kandinsky3Pipeline"
    torch.testing.assert_close(drawn(ours, row), theirs * 0.5 + 0.5)
    assert ours(TEXT, num_inference_steps=1, height=64, width=64).images[0].size == (64, 64)


def test_a_teacher_of_two_passes_guides_away_from_the_empty_text(family):
    """Which diffusers' FLUX does only beside a negative prompt: without one `true_cfg_scale` changes nothing."""
    folder, call = family.weights / "mini-flux1-teacher", tiny_family.row("mini-flux1-teacher").defaults | dict(num_inference_steps=2)

    def picture(pipe, **more):
        noise = [torch.Generator().manual_seed(k) for k in range(2)]
        return pipe(prompt=[TEXT, "a cone"], generator=noise, output_type="pt", **call | more).images

    plain, ours = DiffusionPipeline.from_pretrained(folder), guiding(DiffusionPipeline.from_pretrained(folder))
    assert type(ours).__name__ == "FluxPipeline" and guiding(ours) is ours
    wanted = picture(plain, negative_prompt=["", ""])
    assert torch.equal(picture(ours), wanted) and not torch.equal(picture(plain), wanted)
    assert torch.equal(picture(ours, true_cfg_scale=1.0), picture(plain, true_cfg_scale=1.0))
    assert torch.equal(picture(ours, negative_prompt=["a cube"] * 2), picture(plain, negative_prompt=["a cube"] * 2))
