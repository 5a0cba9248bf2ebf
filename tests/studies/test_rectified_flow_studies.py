"""What the studies of chapter 5 count, where the answer is known."""

import itertools
import math
from collections import Counter

import pytest
import torch

from experiments.data.prompts import prompts
from experiments.data.scenes import Solid
from experiments.models import zoo
from experiments.models.backbones import BACKBONES, build, says
from experiments.sampling.generate import generate
from experiments.studies import rectified_flow_attributes as attributes
from experiments.studies import rectified_flow_encoders as encoders
from experiments.studies import rectified_flow_forgetting as forgetting
from experiments.studies import rectified_flow_qk_norm as qk
from experiments.studies import rectified_flow_resolution as resolution
from experiments.studies import rectified_flow_steps as steps


def solid(shape, rotation):
    return Solid(shape, "red", "small", "rubber", 0.0, 0.0, rotation)


def test_poses_of_cubes():
    assert forgetting.group(solid("cube", math.pi / 4)) == forgetting.POSE
    assert forgetting.group(solid("cube", 0.05)) == forgetting.group(solid("cube", math.pi / 2 - 0.05)) == "cube, face first"
    assert forgetting.group(solid("cone", math.pi / 4)) == "cone"


def test_what_is_left_out_returns_when_it_should():
    out, stay = torch.arange(10), torch.arange(10, 30)

    def share(regime, step):
        rows = forgetting.picker(regime, out, stay, steps=100)(step, torch.Generator().manual_seed(0), 400)
        return float((rows < 10).float().mean())

    assert share("filtered", 0) == share("filtered", 99) == share("returned", 74) == 0
    assert share("returned", 75) == 0.5
    assert share("whole", 10) == pytest.approx(1 / 3, abs=0.08)


def test_no_prompt_asks_for_what_training_never_shows():
    asked = Counter(p.wanted.solids[0].shape for p in forgetting.wishes())
    assert set(asked.values()) == {forgetting.DRAWN} and len({p.id for p in forgetting.wishes()}) == sum(asked.values())


def test_spikes_and_ends():
    calm = [1.0] * qk.STEPS
    assert qk.summary(calm, calm) == {"end": 1.0, "spikes": 0, "logit": 1.0, "largest": 1.0, "losses": [1.0] * len(calm[::4])}
    jump = calm[:40] + [3.0] + calm[41:]
    assert qk.summary(jump, calm)["spikes"] == 1
    broken = calm[:40] + [math.nan]
    assert qk.summary(broken, calm[:40])["end"] is None


@pytest.mark.parametrize("norm", qk.NORMS)
def test_the_logits_that_are_seen_are_those_of_the_network(norm):
    torch.manual_seed(0)
    model = build(BACKBONES["mmdit"], qk_norm=qk.NORMS[norm], **qk.TINY).eval()
    x, words = torch.randn(2, 16, 8, 8), torch.randn(2, 5, 128)
    with qk.largest_logits(model) as seen, torch.no_grad():
        says(model, x, torch.full((2,), 500.0), words)
    assert len(seen) == qk.TINY["num_layers"] and all(v > 0 for v in seen)
    if norm == "with":  # both have norm sqrt(d) at first, so a logit is at most sqrt(d)
        assert max(seen) <= qk.TINY["attention_head_dim"] ** 0.5 + 1e-4


def test_bends_of_known_roads():
    t = [1 - k / 50 for k in range(51)]
    x0, eps = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    line = [(1 - k) * x0 + k * eps for k in t]
    found = steps.bend(line, [(1 - k, k) for k in t], curved=False)
    assert found["straightness, own"] < 1e-8 and found["straightness, straightened"] < 1e-8
    arc = [(math.cos(math.pi / 2 * k), math.sin(math.pi / 2 * k)) for k in t]
    found = steps.bend([a * x0 + s * eps for a, s in arc], arc, curved=True)
    assert found["straightness, own"] > 0.1 and found["straightness, straightened"] < 1e-8


@pytest.mark.parametrize(("name", "solver"), [(name, solver) for name, (_, solvers) in steps.ARMS.items() for solver in solvers])
def test_one_step_is_one_evaluation_from_noise_to_data(name, solver):
    calls = []

    def model(x, words, *_):
        calls.append(1)
        return torch.zeros_like(x)

    real, steps.says = steps.says, lambda m, x, t, words: model(x, words)
    try:
        noise = torch.randn(2, 4, 2, 2, generator=torch.Generator().manual_seed(0))
        states, levels = steps.follow(None, steps.scheduler(name, solver), None, noise, 5)
    finally:
        steps.says = real
    assert len(calls) == 5 and len(states) == len(levels) == 6
    assert levels[0][1] > 0.99 and levels[-1] == (1.0, 0.0)
    if solver == "Euler":
        assert [s for _, s in levels] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0], abs=1e-6)


def test_the_backbones_hear_of_four_colours_only():
    assert not attributes._suits(attributes.sample_scene(0)) or all(s.colour in attributes.COLOURS for s in attributes.sample_scene(0).solids)


def test_pictures_of_another_size_are_brought_to_64_pixels_and_those_of_64_are_left_alone():
    g = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (2, 3, 64, 64), generator=g, dtype=torch.uint8)
    assert torch.equal(resolution.usual(picture), picture)
    ramp = torch.linspace(0, 255, 128).round().to(torch.uint8).expand(1, 3, 128, 128)
    wanted = torch.nn.functional.avg_pool2d(ramp.float(), 2)
    assert (resolution.usual(ramp).float() - wanted).abs().max() < 2
    assert torch.equal(resolution.usual(torch.full((1, 3, 32, 32), 77, dtype=torch.uint8)), torch.full((1, 3, 64, 64), 77, dtype=torch.uint8))


@pytest.mark.parametrize("pixels", resolution.PIXELS)
def test_one_network_is_built_for_every_size_with_as_many_weights(pixels):
    side = pixels // resolution.FACTOR
    model = build(BACKBONES["mmdit"], sample_size=side, pos_embed_max_size=side)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in build(BACKBONES["mmdit"]).parameters())
    assert says(model, torch.randn(2, 16, side, side), torch.tensor([500.0, 900.0]), torch.randn(2, 5, 128)).shape == (2, 16, side, side)


def test_every_resolution_shows_the_same_scenes():
    some = resolution.single("validation", 30)
    assert some and all(len(scene.solids) == 1 for scene in some)
    small, large = (resolution.pictures(some[:4], pixels) for pixels in (32, 64))
    assert small.shape[-1] == 32
    averaged = torch.nn.functional.avg_pool2d(large.float(), 2)
    assert (averaged - small.float()).abs().mean() < 4


@pytest.fixture(scope="module")
def with_t5():
    if encoders.MEMBER not in zoo.shipped():
        pytest.skip(f"{encoders.MEMBER} is not trained")
    return encoders.member()


def test_with_all_encoders_on_it_draws_as_the_pipeline_does(with_t5):
    wanted = prompts("test", "colours", 2)
    plain = generate(with_t5, wanted, 1, **zoo.defaults(encoders.MEMBER) | dict(num_inference_steps=3))
    drawn = {ear: encoders.draw(with_t5, open_, wanted, 1, num_inference_steps=3) for ear, open_ in encoders.EARS.items()}
    assert (plain.int() - drawn["all three"].int()).abs().max() <= 1
    for one, other in itertools.combinations(drawn.values(), 2):
        assert (one.int() - other.int()).abs().max() > 1


def test_of_an_encoder_that_is_off_nothing_is_heard(with_t5):
    """Two texts that reach only the T5 are the same to a network whose T5 is off, and differ to one whose T5 is on."""
    for ear, (*_, t5) in encoders.EARS.items():
        heard = []
        for text in ("a red cube", "a blue sphere"):
            words, _, sentence, _ = with_t5.encode_prompt(*encoders.told(encoders.EARS[ear], [text]), do_classifier_free_guidance=False, max_sequence_length=40)
            heard.append((words, sentence))
        (a, b), (c, d) = heard
        assert torch.equal(a[:, -40:], c[:, -40:]) != t5 and torch.equal(b, d) == (ear == "T5 alone")


def test_who_hears_nothing_chooses_nothing(with_t5, monkeypatch):
    monkeypatch.setattr(encoders, "LEVELS", encoders.LEVELS[:1])  # sums over several levels round
    assert not any(encoders.chosen(with_t5, (False,) * 3, "colours", 0, 4))


def test_who_hears_a_colour_chooses_it(with_t5):
    """Against a coin, whose chance of more than 28 of 40 is below 0.005."""
    assert sum(encoders.chosen(with_t5, encoders.EARS["all three"], "colours", 0, 40)) > 28
