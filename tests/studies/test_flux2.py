"""What chapter 6 offers two networks to choose from, whom it silences, and how it counts, where the answer is known."""

import re
from types import SimpleNamespace

import pytest
import tiny_family
import torch

from experiments.data.captions import words
from experiments.data.prompts import CATEGORIES
from experiments.data.scenes import COLOURS, SHAPES, kinds
from experiments.metrics.alignment import check
from experiments.models import zoo
from experiments.studies import flux2, study
from experiments.studies.study import find, recorded

TEXTS = ["a red cube", "a large blue metal cube to the left of a small green rubber cone"]
ATTRIBUTES = {"colour": COLOURS, "shape": SHAPES, "whose colour": COLOURS, "relation": ("left", "right", "in", "front", "of", "to", "the", "behind")}


@pytest.fixture(scope="module", params=[flux2.TEACHER, flux2.MEMBER])
def pipe(request, tmp_path_factory):
    """Each of the two pipelines with random weights; it is told of what it draws, since its denoiser does not say zero."""
    made = tiny_family.pipeline(request.param, tiny_family.parts(tmp_path_factory.mktemp("weights")))
    made.set_progress_bar_config(disable=True)
    made.member = request.param
    return made


def own(pipe, texts):
    """What the pipeline itself tells its denoiser of `texts` in its default call, read off the denoiser's arguments."""
    heard = {}

    def listen(_, args, named):
        heard.update({k: v for k, v in named.items() if k in ("encoder_hidden_states", "pooled_projections") and v is not None})

    hook = pipe.transformer.register_forward_pre_hook(listen, with_kwargs=True)
    alone = {"true_cfg_scale" if pipe.member == flux2.TEACHER else "guidance_scale": 1.0}  # no second pass for the empty caption
    pipe(prompt=texts, output_type="latent", **zoo.defaults(pipe.member) | alone | {"num_inference_steps": 1})
    hook.remove()
    return heard


def same(a, b):
    return a.keys() == b.keys() and all(torch.allclose(a[k].float(), b[k].float(), atol=1e-5) for k in a)


def test_with_every_voice_open_the_network_hears_what_its_pipeline_tells_it(pipe):
    heard = flux2.hear(pipe, TEXTS, flux2.WHOLE[pipe.member])
    assert same(heard, own(pipe, TEXTS)) and not same(heard, own(pipe, TEXTS[::-1]))


def test_with_every_voice_silent_it_hears_the_empty_caption(pipe):
    silent = tuple(False for _ in flux2.WHOLE[pipe.member])
    assert same(flux2.hear(pipe, TEXTS, silent), flux2.hear(pipe, ["", ""], flux2.WHOLE[pipe.member]))


def test_a_silent_voice_changes_its_own_part_and_no_other(pipe):
    whole, empty = flux2.voices(pipe, TEXTS), flux2.voices(pipe, ["", ""])
    assert len(whole) == len(flux2.WHOLE[pipe.member])
    for open_ in [open_ for name, open_ in flux2.EARS.values() if name == pipe.member]:
        heard = flux2.hear(pipe, TEXTS, open_)
        states = heard["encoder_hidden_states"]
        parts = [states, heard["pooled_projections"]] if len(heard) == 2 else states.chunk(len(whole), -1)
        for part, voice, nothing, hears in zip(parts, whole, empty, open_):
            assert torch.allclose(part, voice if hears else nothing, atol=1e-5)
            assert not torch.allclose(voice, nothing, atol=1e-5)


def test_both_texts_of_a_choice_meet_the_same_noise(pipe):
    x0 = torch.randn(3, tiny_family.CODE, 8, 8, generator=torch.Generator().manual_seed(0))
    whole, texts = flux2.WHOLE[pipe.member], [TEXTS[0]] * 3
    first = flux2.errors(pipe, whole, x0, texts, 0)
    assert torch.equal(first, flux2.errors(pipe, whole, x0, texts, 0))
    assert not torch.allclose(first, flux2.errors(pipe, whole, x0, [TEXTS[1]] * 3, 0))
    assert not torch.allclose(first, flux2.errors(pipe, whole, x0, texts, 1))
    assert torch.allclose(first[:2], flux2.errors(pipe, whole, x0, texts, 0)[:2])


@pytest.mark.parametrize("style", flux2.STYLES)
@pytest.mark.parametrize("solids", flux2.SOLIDS)
def test_a_false_caption_is_wrong_where_it_says_and_in_nothing_else(solids, style):
    for number, scene in enumerate(flux2.clear(solids, 0, 12)):
        true = words(flux2.said(scene, style))
        offered = flux2.faults(scene, number, style)
        assert {"relation"} & offered.keys() == ({"relation"} if style == "long" and solids > 1 else set())
        assert [name for name in offered if name.startswith("colour")] == [f"colour {k + 1}" for k in range(solids)]
        for name, text in offered.items():
            kind, false = re.sub(r" \d", "", name), words(text)
            if kind == "relation":  # a relation may have more words than its opposite
                rest = [[w for w in sentence if w not in ATTRIBUTES[kind]] for sentence in (true, false)]
                assert rest[0] == rest[1] and true != false
                continue
            differ = [k for k, (a, b) in enumerate(zip(true, false, strict=True)) if a != b]
            assert len(differ) == (2 if kind == "whose colour" else 1)
            assert all(true[k] in ATTRIBUTES[kind] and false[k] in ATTRIBUTES[kind] for k in differ)
            if kind == "colour":  # so many solids have been named before the first word that differs
                assert sum(word in SHAPES for word in true[: differ[0]]) + 1 == int(name[-1])
                assert false[differ[0]] not in true


def test_no_false_caption_asks_for_what_training_withheld():
    for solids in flux2.SOLIDS:
        for number, scene in enumerate(flux2.clear(solids, 1, 12)):
            for text in flux2.faults(scene, number, "short").values():
                pairs = re.findall(rf"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})", text)
                assert len(pairs) == solids and set(pairs) <= set(kinds(False))


def test_seeds_have_scenes_of_their_own_and_a_longer_list_begins_with_the_shorter():
    assert set(flux2.clear(2, 0, 8)).isdisjoint(flux2.clear(2, 1, 8))
    assert flux2.clear(2, 0, 8) == flux2.clear(2, 0, 12)[:8]


def test_a_network_that_knows_the_truth_is_always_right_and_one_that_is_deaf_at_a_place_is_wrong_there(monkeypatch):
    """Its error is the number of words that it hears and that are not true."""
    scenes = flux2.clear(3, 0, 6)
    true = [words(flux2.said(scene, "long")) for scene in scenes]

    def listener(deaf):
        def errors(pipe, open_, x0, texts, seed):
            return torch.tensor([float(sum(a != b for a, b in zip(words(t)[deaf:], row[deaf:]))) for t, row in zip(texts, true)])

        return errors

    monkeypatch.setattr(flux2, "errors", listener(0))
    found = flux2.chosen(None, (), None, scenes, "long", 0)
    assert set(found) == {"colour 1", "colour 2", "colour 3", "shape", "whose colour", "relation"} and set(found.values()) == {"111111"}
    monkeypatch.setattr(flux2, "errors", listener(5))  # "a large red cube to": the first solid is not heard
    found = flux2.chosen(None, (), None, scenes, "long", 0, "colour")
    assert found == {"colour 1": "000000", "colour 2": "111111", "colour 3": "111111"}


def test_a_picture_shows_what_was_asked_where_every_solid_is_found():
    for prompt, scene in zip(flux2.asked(3, 0, 8), flux2.clear(3, 0, 8)):
        assert flux2.shown(prompt.wanted, scene.solids) == "111" and check(prompt.wanted, scene.solids).ok
        assert flux2.shown(prompt.wanted, scene.solids[1:]) == "011" and not check(prompt.wanted, scene.solids[1:]).ok
        other = flux2.exchanged(scene).solids
        assert (flux2.shown(prompt.wanted, other) == "111") == check(prompt.wanted, other).ok is False
    asked = [prompt.id for seed in flux2.SEEDS for n in flux2.SOLIDS for prompt in flux2.asked(n, seed, 4)]
    assert len(set(asked)) == len(asked)


def test_every_cell_has_a_thousand_scenes_and_no_part_comes_twice():
    parts = list(flux2.STUDY.parts())
    assert len(set(parts)) == len(parts) and find("flux2") is flux2.STUDY
    assert flux2.SCENES * len(flux2.SEEDS) >= 1000
    assert flux2.flux.PROMPTS * len(CATEGORIES) * len(flux2.SEEDS) >= 1000
    for kind, who in (("chosen", flux2.MEMBER), ("chosen", flux2.TEACHER), ("long", flux2.MEMBER), *(("through", ear) for ear in flux2.EARS)):
        assert [part[2] for part in parts if part[:2] == (kind, who)] == list(flux2.SEEDS)


def test_each_part_asks_the_network_that_it_names(monkeypatch):
    monkeypatch.setattr(flux2, "zoo", SimpleNamespace(load=lambda name: name, defaults=lambda name: {"who": name}))
    monkeypatch.setattr(flux2, "codes", lambda n, seed: None)
    monkeypatch.setattr(flux2, "chosen", lambda pipe, open_, x0, scenes, style, seed, kind="": {"asked": (pipe, open_, kind)})
    monkeypatch.setattr(flux2, "generate", lambda pipe, wishes, seed, **call: [call["who"] == pipe or wishes for _ in wishes])
    monkeypatch.setattr(flux2, "detect", lambda pictures: [() for _ in pictures])
    assert flux2.measure("through", "layer 2 alone", 0) == {"asked": (flux2.MEMBER, (False, True, False), "colour")}
    assert flux2.measure("through", "CLIP alone", 0) == {"asked": (flux2.TEACHER, (False, True), "colour")}
    cells = flux2.measure("chosen", flux2.TEACHER, 0)
    assert len(cells) == len(flux2.STYLES) * len(flux2.SOLIDS) and cells["long, 3 solids"] == {"asked": (flux2.TEACHER, (True, True), "")}
    assert flux2.measure("long", flux2.MEMBER, 0)["shown"] == ["00"] * flux2.PROMPTS + ["000"] * flux2.PROMPTS


def test_without_weights_nothing_is_measured(tmp_path, monkeypatch):
    """A record that other weights left does not count, nor does one whose weights are gone."""
    (tmp_path / "flux2.json").write_text('{"made_of": "what is not there", "parts": []}', encoding="utf-8")
    monkeypatch.setattr(study, "WEIGHTS", tmp_path)
    assert recorded(flux2.STUDY, tmp_path) == {} and recorded(flux2.STUDY, tmp_path / "nowhere") == {}
