"""The studies of both Kandinskys: what their stages are told, what is counted, and what a round trip loses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny_family
import torch

from experiments.data.dataset import scenes
from experiments.data.prompts import CATEGORIES, Prompt, Requirement, Wanted, prompts
from experiments.metrics.alignment import check
from experiments.models import zoo
from experiments.sampling.generate import generator
from experiments.studies import kandinsky, kandinsky_autoencoders, study
from experiments.training import priors


@pytest.fixture(scope="module")
def pipe(tiny_family_parts):
    made = zoo.in_unit_range(tiny_family.pipeline("mini-kandinsky2.1", tiny_family_parts))
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def loaded(pipe, monkeypatch):
    monkeypatch.setattr(kandinsky, "load", lambda name: pipe)
    return pipe


def few(n=2):
    return prompts("test", "colours", n)


def test_two_calls_draw_what_the_combined_pipeline_draws(loaded, monkeypatch):
    wanted = few()
    plain = loaded([p.text for p in wanted], generator=[generator(p.id, 3) for p in wanted], output_type="pt", **_call(4)).images
    shared = {p.id: generator(p.id, 3) for p in wanted}  # the combined pipeline gives one generator to both of its stages
    for module in (kandinsky, priors):
        monkeypatch.setattr(module, "generator", lambda name, seed: shared[name.removeprefix("prior/")])
    ours = kandinsky.through("prior", wanted, 3, num_inference_steps=4)
    assert ours.shape == (2, 3, 64, 64) and (ours - (plain.clamp(0, 1) * 255).round()).abs().max() <= 1


def _call(steps):
    return zoo.defaults(kandinsky.MEMBER) | dict(num_inference_steps=steps)


def test_the_embedding_is_what_distinguishes_the_ways(loaded):
    wanted = few()
    found = {way: kandinsky.embedding(loaded.prior_pipe, way, wanted, 0) for way in kandinsky.WAYS if way != "true"}
    assert all(z.shape == (2, 32) for z in found.values())
    assert not torch.allclose(found["prior"], found["mean"]) and not torch.allclose(found["text"], found["nothing"])
    assert torch.equal(*found["nothing"])
    made = {way: kandinsky.decode(loaded, wanted, [p.text for p in wanted], z, 0, num_inference_steps=2) for way, z in found.items()}
    assert len({picture.numpy().tobytes() for picture in made.values()}) == len(found)


def test_the_mean_is_that_of_single_draws_and_the_same_for_a_text_that_comes_again(loaded):
    prior, text = loaded.prior_pipe, "a red cube"
    single = [priors.drawn(prior, [text], [f"mean/{text}/{k}"], 0, kandinsky.GUIDANCE) for k in range(kandinsky.DRAWS)]
    found = kandinsky.mean(prior, (text, "a cone", text))
    assert torch.allclose(found[0], torch.cat(single).mean(0), atol=1e-4)
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


@pytest.fixture
def some_scenes(monkeypatch):
    monkeypatch.setattr(kandinsky, "POOL", 8000)
    kandinsky.held_out.cache_clear()
    yield
    kandinsky.held_out.cache_clear()


def test_the_true_embedding_is_of_a_held_out_picture_that_shows_what_is_asked_and_nothing_else(some_scenes, loaded):
    for category in CATEGORIES:
        for p in prompts("test", category, 3):
            scene = kandinsky.answer(p, 1)
            assert check(p.wanted, scene.solids).ok
            assert len(scene.solids) == (p.wanted.count or len(p.wanted.solids))
    assert len({kandinsky.answer(few()[0], seed) for seed in range(9)}) > 3
    with pytest.raises(ValueError, match="raise POOL"):
        kandinsky.answer(Prompt("five", "counting", "five cubes", Requirement((Wanted("cube"),), count=5)), 0)
    z = kandinsky.embedding(loaded.prior_pipe, "true", few(), 0)
    assert z.shape == (2, 32) and not torch.allclose(*z)


def test_every_evaluation_of_the_network_is_counted(loaded):
    made, asked = kandinsky.pictures(kandinsky.MEMBER, "text", few(), 0, num_inference_steps=3)
    assert asked == 2 * 3 and made.dtype == torch.uint8
    assert not loaded.unet._forward_hooks


def test_a_mixture_is_what_the_prior_pipeline_interpolates(loaded):
    (one,), picture = few(1), torch.rand(1, 3, 64, 64) * 2 - 1
    noise = generator(f"prior/{one.id}", 0)
    theirs = loaded.prior_pipe.interpolate([one.text, picture], [0.75, 0.25], num_inference_steps=priors.STEPS, generator=noise)
    of_picture = loaded.prior_pipe.image_encoder(picture).image_embeds
    ours = 0.75 * kandinsky.drawn(loaded.prior_pipe, [one], 0) + 0.25 * of_picture
    assert torch.allclose(theirs.image_embeds, ours, atol=1e-5)
    assert torch.allclose(theirs.negative_image_embeds, loaded.prior_pipe.get_zero_embed(1))


def test_at_either_end_a_mixture_is_one_embedding_alone(loaded, monkeypatch):
    told, first, second = [], torch.randn(kandinsky.PAIRS, 32), torch.randn(kandinsky.PAIRS, 32)
    monkeypatch.setattr(kandinsky, "ends", lambda prior, kind, seed: [first, second])
    monkeypatch.setattr(kandinsky, "decode", lambda pipe, noises, texts, z, seed: told.append((texts, z)))
    monkeypatch.setattr(kandinsky, "marks", lambda side, made: side[0].text)
    found = kandinsky.mixed("text and picture", 0)
    assert torch.equal(told[0][1], first) and torch.equal(told[-1][1], second) and set(told[0][0]) == {""}
    assert torch.allclose(told[2][1], (first + second) / 2)
    a, b = kandinsky.pairs()[0]
    assert found["0.5"] == {"first": a.text, "second": b.text}


def test_the_two_of_a_pair_are_told_apart_by_colour_and_by_shape():
    pairs = kandinsky.pairs()
    assert len(pairs) == kandinsky.PAIRS == len({(a.id, b.id) for a, b in pairs})
    for a, b in pairs:
        (one,), (other,) = a.wanted.solids, b.wanted.solids
        assert one.colour != other.colour and one.shape != other.shape


def test_each_stage_is_asked_in_its_own_language(monkeypatch):
    heard = {}
    monkeypatch.setattr(kandinsky, "load", lambda name: type("Pipe", (), {"prior_pipe": None}))
    monkeypatch.setattr(kandinsky, "drawn", lambda prior, wanted, seed: heard.update(prior=[p.text for p in wanted]))
    monkeypatch.setattr(kandinsky, "decode", lambda pipe, wanted, texts, z, seed: heard.update(decoder=texts))
    monkeypatch.setattr(kandinsky, "marks", lambda wanted, made: "".join("10"[k % 2] for k in range(len(wanted))))
    found = kandinsky.in_language("vi", "en", 0)
    english = [p.text for category in CATEGORIES for p in prompts("test", category, kandinsky.PER_CATEGORY)]
    assert heard["prior"] == english and not set(heard["decoder"]) & set(english)
    assert {category: len(row) for category, row in found.items()} == dict.fromkeys(CATEGORIES, kandinsky.PER_CATEGORY)
    assert all(row.startswith("1010") for row in found.values())


def test_every_way_is_a_cell_beside_one_stage():
    assert {way for name, way in kandinsky.TWO_STAGES.parts() if name == kandinsky.MEMBER} == set(kandinsky.WAYS)
    assert {name for name, way in kandinsky.TWO_STAGES.parts() if way == "caption"} == {kandinsky.ONE}


def test_a_study_cut_short_has_whole_settings():
    for one in (kandinsky.LANGUAGES, kandinsky.MIXING):
        parts, seeds = list(one.parts()), len(kandinsky.SEEDS)
        assert all(len({part[:-1] for part in parts[i : i + seeds]}) == 1 for i in range(0, len(parts), seeds))
        assert {part[-1] for part in parts[:seeds]} == set(kandinsky.SEEDS)


def test_every_language_is_asked_a_thousand_times():
    for spoken, _ in kandinsky.TOLD:
        assert len(kandinsky.wishes(spoken)) * len(kandinsky.SEEDS) >= 1000


STUDIES = (*kandinsky.STUDIES, kandinsky_autoencoders.STUDY)


@pytest.mark.parametrize("one", STUDIES, ids=lambda one: one.name)
def test_a_study_is_found_has_parts_of_its_own_and_is_not_measured_without_weights(one, tmp_path, monkeypatch):
    parts = [tuple(part) for part in one.parts()]
    assert len(set(parts)) == len(parts) and study.find(one.name).name == one.name
    kept = {"made_of": "of other weights", "parts": [{"part": list(parts[0]), "result": {}}]}
    (tmp_path / f"{one.name}.json").write_text(json.dumps(kept))
    monkeypatch.setattr(study, "WEIGHTS", tmp_path / "no weights")
    assert study.recorded(one, tmp_path) == {}


def test_all_solids_of_a_scene_are_required_with_what_is_asked_of_them():
    for scene in scenes("validation", 0, 5):
        of_another_size = [replace(s, size="small" if s.size == "large" else "large") for s in scene.solids]
        named, all_ = (kandinsky_autoencoders.required(scene, kandinsky_autoencoders.ASKED[name]) for name in ("named", "right"))
        assert check(all_, scene.solids).ok and check(named, of_another_size).ok and not check(all_, of_another_size).ok
        assert not check(named, scene.solids[1:]).ok


def test_a_round_trip_is_judged_by_what_comes_back(monkeypatch):
    shown = np.full((4, 3, 64, 64), 127, dtype=np.uint8)
    monkeypatch.setattr(kandinsky_autoencoders, "SCENES", 4)
    monkeypatch.setattr(kandinsky_autoencoders, "images", lambda split, start, stop: shown)
    monkeypatch.setattr(kandinsky_autoencoders, "trip", lambda kind: lambda x: (x + 0.02, x.new_zeros(len(x), 16, 8, 8)))
    found = kandinsky_autoencoders.measure("KL")
    assert found["psnr"] == pytest.approx([40.0] * 4, abs=0.01)  # 10 log10(2^2 / 0.02^2)
    assert found["code"] == [16, 8, 8] and found["right"] == found["named"] == "0000" and "used" not in found


def test_only_one_way_through_movq_passes_its_codebook(tiny_family_parts, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_family_parts)
    noise = np.random.default_rng(0).integers(0, 256, (3, 3, 64, 64), np.uint8)
    monkeypatch.setattr(kandinsky_autoencoders, "images", lambda split, start, stop: noise)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    (before, code), (after, same) = (kandinsky_autoencoders.trip(kind)(x) for kind in kandinsky_autoencoders.KINDS[:2])
    assert torch.equal(code, same) and code.shape == (2, 4, 8, 8) and before.shape == x.shape
    assert not torch.allclose(before, after)
    counted = kandinsky_autoencoders.entries()
    assert 1 <= counted["used"] <= counted["entries"] == 16
