"""What the studies of chapter 7 count and train, where the answer is known."""

import copy
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from tiny_models import UNET

from experiments.data.dataset import scenes
from experiments.data.mixed import MIXED, SPOKEN, asked, said
from experiments.data.prompts import Requirement, Wanted, prompts
from experiments.metrics import listening_scores as scores
from experiments.metrics.alignment import check
from experiments.models import zoo
from experiments.models.listeners import ARMS, ENCODERS, PICTURE, TOKENS, Listener, picture
from experiments.sampling.generate import generate
from experiments.studies import hunyuan, languages, two_stages, two_stages_heard
from experiments.training import listening


def test_a_mixture_says_the_same_in_two_languages():
    both = Requirement((Wanted("cube", "red"), Wanted("cone", "blue")))
    assert said(both, MIXED) == "a red cube 和 一个蓝色的圆锥体"
    assert said(Requirement((Wanted("cube", "red"),)), MIXED) == "一个红色的 cube"
    with pytest.raises(ValueError, match="no mixed wording"):
        said(Requirement((Wanted("cube"),), count=2), MIXED)


def test_every_language_asks_for_the_same_from_the_same_noise():
    lists = [asked("test", "colours", 5, spoken) for spoken in SPOKEN]
    assert len({tuple((p.id, p.wanted) for p in row) for row in lists}) == 1
    assert len({tuple(p.text for p in row) for row in lists}) == len(SPOKEN)
    assert lists[0] == prompts("test", "colours", 5)


@pytest.mark.parametrize("category", scores.CATEGORIES)
def test_of_two_captions_the_scene_shows_only_the_true_one(category):
    for i, true, false in scores.offers(category, 12):
        solids = scenes("validation", i, i + 1)[0].solids
        assert check(true, solids).ok and not check(false, solids).ok


def test_a_probe_finds_a_linear_map_and_a_neighbour():
    g = torch.Generator().manual_seed(0)
    x, weights = torch.randn(200, 5, generator=g), torch.randn(5, 3, generator=g)
    known = scores.probe(x, x @ weights + 2, strength=1e-6)
    assert torch.allclose(scores.mapped(known, x[:4]), x[:4] @ weights + 2, atol=1e-3)
    assert scores.nearest(x, x) == [200, 200]
    assert scores.nearest(x, x.roll(1, 0))[0] < 20


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Listener(UNet2DConditionModel(**UNET), {"clip": 24, PICTURE: 16})


def heard(batch=2, length=5):
    mask = torch.tensor([[True] * 3 + [False] * 2] * batch)
    return {"clip": (torch.randn(batch, length, 24), mask), PICTURE: picture(torch.randn(batch, 16))}


def test_padding_is_not_heard(model):
    told = heard()
    before = model.words(told)
    states, mask = told["clip"]
    after = model.words(told | {"clip": (states + 9 * ~mask[..., None], mask)})
    assert before.shape == (2, 5 + TOKENS, UNET["cross_attention_dim"]) and torch.equal(before, after)


def test_only_the_cross_attention_learns(model):
    x, told = torch.randn(2, UNET["in_channels"], 8, 8), heard()
    model(x, torch.tensor([10, 500]), told).square().mean().backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert learning and learning <= set(model.trained())
    assert all(name.startswith(("projections", "padding")) or "attn2" in name for name in model.trained())


def test_who_says_what_the_teacher_says_makes_no_error(model):
    teacher = copy.deepcopy(model.unet)
    x, k, words = torch.randn(2, UNET["in_channels"], 8, 8), torch.tensor([10, 500]), torch.randn(2, 6, UNET["cross_attention_dim"])
    with torch.no_grad(), listening.overheard(teacher) as answers:
        teacher(x, k, words)
        assert len(answers) == len(listening.cross_attentions(model.unet)) > 2
        for layer, (question, answer) in zip(listening.cross_attentions(model.unet), answers):
            assert torch.allclose(layer(question, encoder_hidden_states=words), answer, atol=1e-5)
            assert not torch.allclose(layer(question, encoder_hidden_states=-words), answer, atol=1e-5)
    assert not any(layer._forward_hooks for layer in listening.cross_attentions(teacher))


def test_what_is_forgotten_is_the_empty_caption_and_no_picture():
    nobody = torch.zeros(1, 1, 1), torch.zeros(1, 1, dtype=torch.bool)
    empty = {"clip": (torch.full((1, 3, 2), 7.0), torch.tensor([[True, False, False]])), PICTURE: nobody}
    states, mask = torch.arange(24.0).view(4, 3, 2), torch.ones(4, 3, dtype=torch.bool)
    rows, pictures, nothing = torch.tensor([[0, 1], [2, 3]]), torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)
    data = listening.Material(nothing, nothing, rows, {"clip": (states, mask)}, empty, pictures, nothing)
    told = data.told(torch.tensor([1, 1]), torch.tensor([1, 0]), torch.tensor([False, True]))
    assert torch.equal(told["clip"][0], torch.stack([states[3], empty["clip"][0][0]]))
    assert told["clip"][1].tolist() == [[True] * 3, [True, False, False]]
    assert told[PICTURE][0][0].item() == 2.0 and told[PICTURE][1].tolist() == [[True], [False]]


def test_what_ships_is_what_was_trained(model, tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "pipeline", lambda: None)
    monkeypatch.setattr(listening, "listener", lambda pipe, encoders, seed: Listener(UNet2DConditionModel(**UNET), {"clip": 24, PICTURE: 16}))
    _, again = listening.load(listening.ship(model, tmp_path / "arm", {"recipe": "arm"}), ("clip", PICTURE))
    assert all(torch.allclose(value, again.trained()[name], atol=1e-3) for name, value in model.trained().items())


def test_the_true_embedding_is_that_of_a_picture_that_answers():
    for k, prompt in enumerate(scores.wishes(4)):
        scene = two_stages.held_out()[two_stages.answer(prompt, k)]
        assert check(prompt.wanted, scene.solids).ok


def test_parts_come_seed_by_seed_and_arms_have_encoders():
    parts = list(languages.ARM_STUDY.parts())
    assert [seed for _, seed in parts] == sorted(seed for _, seed in parts) and len(set(parts)) == len(ARMS) * len(languages.SEEDS)
    assert {name for encoders in ARMS.values() for name in encoders} == set(ENCODERS)
    assert len({languages.folder(arm) for arm in ARMS}) == len(ARMS)


def test_both_sides_of_a_choice_begin_from_the_same_noise():
    for category in scores.CATEGORIES:
        true, false = (two_stages_heard.prompts_of(category, side) for side in (True, False))
        assert [p.id for p in true] == [p.id for p in false] and len({p.id for p in true}) == len(true) > 60
        assert all(a.text != b.text for a, b in zip(true, false))


@pytest.fixture(scope="module")
def hunyuan_dit():
    if hunyuan.MEMBER not in zoo.shipped():
        pytest.skip(f"{hunyuan.MEMBER} is not trained")
    pipe = zoo.load(hunyuan.MEMBER)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_told_the_same_both_encoders_draw_as_the_pipeline_does_with_a_prompt(hunyuan_dit):
    wishes = [p for spoken in ("en", "zh") for p in asked("test", "colours", 2, spoken)]
    texts = [p.text for p in wishes]
    plain = generate(hunyuan_dit, wishes, 1, **zoo.defaults(hunyuan.MEMBER) | dict(num_inference_steps=3))
    told = hunyuan.draw(hunyuan_dit, wishes, texts, texts, 1, num_inference_steps=3)
    assert (plain.int() - told.int()).abs().max() <= 1
    torn = hunyuan.draw(hunyuan_dit, wishes, texts, [""] * len(texts), 1, num_inference_steps=3)
    assert (plain.int() - torn.int()).abs().max() > 1


def test_an_encoder_that_is_off_is_told_nothing():
    wishes = asked("test", "colours", 2, "vi")
    texts = [p.text for p in wishes]
    assert hunyuan.through((True, False), wishes) == (texts, ["", ""])
    assert hunyuan.through((False, True), wishes) == (["", ""], texts)


def test_a_picture_of_what_one_encoder_was_told_counts_for_that_one(monkeypatch):
    """What is drawn is what CLIP was told: every picture counts for it, and for mT5 only where it was told what is also seen."""
    monkeypatch.setattr(hunyuan, "draw", lambda pipe, told, first, second, seed: told)
    monkeypatch.setattr(hunyuan, "evaluate", lambda wishes, pictures: [SimpleNamespace(ok=w.wanted == p.wanted) for w, p in zip(wishes, pictures)])
    for first, second, n in hunyuan.torn(None, 0).values():
        assert first == n > 20 and second == 0
