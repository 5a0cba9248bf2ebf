"""Guidance against diffusers' own: its guiders, its pipeline, its rescaling, to 1e-4; and against closed forms."""

import logging

import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.guiders import AdaptiveProjectedGuidance, AutoGuidance, ClassifierFreeGuidance
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

from experiments.data.prompts import Requirement, Wanted
from experiments.models.latent_classifier import LatentClassifier, log_probability
from experiments.sampling import guidance, guidance_ways
from experiments.sampling.guidance_sampler import Moment, Texts, decode, embed, noise, sample, solver

CLOSE = dict(atol=1e-4, rtol=1e-4)
logging.getLogger("diffusers.guiders.guider_utils").setLevel(logging.ERROR)


@pytest.fixture
def said():
    g = torch.Generator().manual_seed(0)
    return [torch.randn(3, 4, 8, 8, generator=g) for _ in range(4)]


# ---- functions of predictions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [0.0, 1.0, 4.0, 15.0])
def test_classifier_free_is_diffusers_guider(said, w):
    c, u = said[:2]
    guider = ClassifierFreeGuidance(guidance_scale=w)
    torch.testing.assert_close(guidance.classifier_free(c, u, w), guider.forward(c, u).pred, **CLOSE)
    if w in (0, 1):
        torch.testing.assert_close(guidance.classifier_free(c, u, w), (u, c)[int(w)], **CLOSE)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_rescaled_is_diffusers(said, share):
    c, u = said[:2]
    guided = guidance.classifier_free(c, u, 7.5)
    torch.testing.assert_close(guidance.rescaled(guided, c, share), rescale_noise_cfg(guided, c, share), **CLOSE)
    torch.testing.assert_close(guidance.rescaled(guided, c, 1.0).std((1, 2, 3)), c.std((1, 2, 3)), **CLOSE)


@pytest.mark.parametrize("eta, threshold, momentum", [(1.0, 0.0, 0.0), (0.0, 15.0, 0.0), (0.3, 2.5, -0.5)])
def test_projected_is_diffusers_over_several_steps(said, eta, threshold, momentum):
    """diffusers weighs its running average by w from the unconditional prediction, as here."""
    buffer, before = MomentumBuffer(momentum), 0.0
    for c, u in [said[:2], said[1:3], said[2:4]]:
        ours, before = guidance.projected(c, u, 5.0, eta, threshold, momentum, before)
        torch.testing.assert_close(ours, normalized_guidance(c, u, 5.0, buffer, eta, threshold), **CLOSE)
    guider = AdaptiveProjectedGuidance(5.0, adaptive_projected_guidance_rescale=threshold, eta=eta)
    torch.testing.assert_close(guidance.projected(c, u, 5.0, eta, threshold)[0], guider.forward(c, u).pred, **CLOSE)


def test_projected_without_its_parts_is_classifier_free(said):
    c, u = said[:2]
    torch.testing.assert_close(guidance.projected(c, u, 6.0, 1.0, 0.0)[0], guidance.classifier_free(c, u, 6.0), **CLOSE)
    along, beside = guidance.split(c - u, c)
    torch.testing.assert_close((beside * c).sum((1, 2, 3)), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(along + beside, c - u, **CLOSE)


def test_autoguidance_and_perturbed_attention_are_one_line_each(said):
    strong, weak = said[:2]
    torch.testing.assert_close(guidance.autoguidance(strong, weak, 1.0), strong, **CLOSE)
    guider = AutoGuidance(guidance_scale=2.5, auto_guidance_layers=[0], dropout=0.1)
    torch.testing.assert_close(guidance.autoguidance(strong, weak, 2.5), guider.forward(strong, weak).pred, **CLOSE)
    torch.testing.assert_close(guidance.perturbed_attention(strong, weak, 3.0), guidance.autoguidance(strong, weak, 4.0), **CLOSE)


@pytest.mark.parametrize("progress, inside", [(0.0, False), (0.25, True), (0.5, True), (0.75, False)])
def test_interval_guides_inside_only(said, progress, inside):
    c, u = said[:2]
    expected = guidance.classifier_free(c, u, 5.0) if inside else c
    torch.testing.assert_close(guidance.interval(c, u, 5.0, progress, 0.25, 0.75), expected)


def test_zero_terminal_snr_is_diffusers():
    betas = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").betas
    ours = guidance.zero_terminal_snr(betas)
    torch.testing.assert_close(ours, rescale_zero_terminal_snr(betas.clone()), atol=1e-6, rtol=1e-4)
    kept = (1 - ours).cumprod(0)
    assert kept[-1] == 0 and kept[0] == pytest.approx(float(1 - betas[0]), abs=1e-6)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_every_prediction_type_gives_the_noise(said, kind):
    x0, eps, a, s = said[0], said[1], 0.6, 0.8
    prediction = {"epsilon": eps, "v_prediction": a * eps - s * x0, "sample": x0}[kind]
    x = a * x0 + s * eps
    torch.testing.assert_close(guidance.to_noise(prediction, x, a, s, kind), eps, **CLOSE)
    torch.testing.assert_close(guidance.to_data(eps, x, a, s), x0, **CLOSE)


def test_an_unknown_prediction_type_is_named(said):
    with pytest.raises(ValueError, match="'flow' is not one of epsilon, v_prediction, sample"):
        guidance.to_noise(said[0], said[1], 1.0, 1.0, "flow")


def test_classifier_guidance_of_a_gaussian_is_its_posterior():
    """x0 ~ N(0, 1), p(y | x0) = N(x0; 0, r): with the exact gradient the guided noise is that of the posterior."""
    a, s, r, y = 0.6, 0.8, 0.5, 1.3
    x = torch.linspace(-3, 3, 25)
    eps = s * x  # E[eps | x], as x_t ~ N(0, 1)
    mean, variance = a * x, s**2  # of x0 given x_t
    gradient = a * (y - mean) / (variance + r)  # of log N(y; mean, variance + r) by x_t
    guided = guidance.classifier(eps, gradient, s, 1.0)
    shrunk = mean + variance / (variance + r) * (y - mean)  # E[x0 | x_t, y]
    torch.testing.assert_close(guided, (x - a * shrunk) / s, **CLOSE)


# ---- sampling -------------------------------------------------------------------------------------------------------

CAPTIONS = ["a small red metal cube", "three yellow cylinders"]


@pytest.fixture(scope="module")
def pipe(tiny_parts):
    import tiny_models

    made = tiny_models.pipeline("mini-sd1.5", tiny_parts)
    made.scheduler = solver(made, 5)
    return made


def told(pipe, **more):
    return Texts.of(pipe, caption=CAPTIONS, empty=["", ""], **more)


@pytest.mark.parametrize("w, asked", [(1.0, 5), (4.0, 10)])
def test_a_sampled_picture_is_the_pipelines(pipe, w, asked):
    start, texts = noise(pipe, ["a", "b"], 0), told(pipe)
    ours = sample(pipe, texts, guidance_ways.classifier_free(w), start, 5)
    theirs = pipe(CAPTIONS, latents=start, guidance_scale=w, num_inference_steps=5, output_type="latent").images
    torch.testing.assert_close(ours, theirs, **CLOSE)
    assert texts.asked == asked
    assert decode(pipe, ours).dtype == torch.uint8


def test_rescaled_and_negative_are_the_pipelines(pipe):
    start = noise(pipe, ["a", "b"], 0)
    call = dict(latents=start, guidance_scale=4.0, num_inference_steps=5, output_type="latent")
    ours = sample(pipe, told(pipe), guidance_ways.rescaled(4.0, 0.7), start, 5)
    torch.testing.assert_close(ours, pipe(CAPTIONS, guidance_rescale=0.7, **call).images, **CLOSE)
    ours = sample(pipe, told(pipe, negative=["a cone"] * 2), guidance_ways.negative_prompt(4.0), start, 5)
    torch.testing.assert_close(ours, pipe(CAPTIONS, negative_prompt=["a cone"] * 2, **call).images, **CLOSE)


def test_perturbed_attention_is_the_pag_pipelines(pipe):
    from diffusers import StableDiffusionPAGPipeline

    start = noise(pipe, ["a", "b"], 0)
    with guidance_ways.identity_attention(pipe):
        ours = sample(pipe, told(pipe), guidance_ways.perturbed_attention(2.0), start, 5)
    parts = {name: part for name, part in pipe.components.items() if name != "image_encoder"}
    theirs = StableDiffusionPAGPipeline(**parts, requires_safety_checker=False, pag_applied_layers=["mid"])
    theirs.set_progress_bar_config(disable=True)
    call = dict(latents=start, guidance_scale=1.0, pag_scale=2.0, num_inference_steps=5, output_type="latent")
    torch.testing.assert_close(ours, theirs(CAPTIONS, **call).images, **CLOSE)


def test_identity_attention_names_what_there_is(pipe):
    with pytest.raises(ValueError, match="no self-attention in nowhere: the network has it in .*attn1"):
        with guidance_ways.identity_attention(pipe, ("nowhere",)):
            pass


def test_guides_without_effect_are_the_plain_model(pipe):
    start = noise(pipe, ["a", "b"], 0)
    plain = sample(pipe, told(pipe), guidance_ways.classifier_free(4.0), start, 4)
    weak = told(pipe)
    same = {
        "interval": guidance_ways.interval(4.0, 0.0, 1.0),
        "rescaled": guidance_ways.rescaled(4.0, 0.0),
        "projected": guidance_ways.projected(4.0, 1.0, 0.0, 0.0),
    }
    for name, guide in same.items():
        torch.testing.assert_close(sample(pipe, told(pipe), guide, start, 4), plain, msg=name, **CLOSE)
    alone = sample(pipe, told(pipe), guidance_ways.classifier_free(1.0), start, 4)
    torch.testing.assert_close(sample(pipe, told(pipe), guidance_ways.autoguidance(weak, 7.0), start, 4), alone, **CLOSE)
    assert weak.asked == 4


def test_momentum_starts_anew_with_each_picture(pipe):
    start, guide = noise(pipe, ["a", "b"], 0), guidance_ways.projected(4.0, 0.0, 5.0, -0.5)
    first = sample(pipe, told(pipe), guide, start, 3)
    torch.testing.assert_close(sample(pipe, told(pipe), guide, start, 3), first)


def test_a_repeated_text_is_read_once_and_gives_the_same_words(pipe):
    torch.testing.assert_close(embed(pipe, ["a cube", "", "a cube"])[0], embed(pipe, ["a cube"])[0], **CLOSE)


def test_a_pipeline_with_more_towers_is_refused(tiny_parts):
    import tiny_models

    with pytest.raises(ValueError, match="StableDiffusion3Pipeline is told more .* StableDiffusionPipeline loads"):
        Texts.of(tiny_models.pipeline("mini-sd3", tiny_parts), caption=CAPTIONS)


# ---- the classifier -------------------------------------------------------------------------------------------------


def test_the_classifiers_gradient_is_that_of_log_p(pipe):
    torch.manual_seed(0)
    reader = LatentClassifier(in_channels=4, width=16, norm_num_groups=4).double()
    wanted = [Requirement((Wanted("cube", "red"), Wanted("cone"))), Requirement((Wanted("sphere"),), count=3)]
    x, t = torch.randn(2, 4, 8, 8, dtype=torch.double), torch.tensor(400)
    found = guidance_ways.gradient(reader, x, t, wanted)
    step = torch.zeros_like(x)
    step[0, 1, 2, 3], step[1, 3, 0, 7] = 1e-5, 1e-5
    difference = log_probability(*reader(x + step, t), wanted) - log_probability(*reader(x - step, t), wanted)
    torch.testing.assert_close(difference / 2e-5, torch.stack([found[0, 1, 2, 3], found[1, 3, 0, 7]]), atol=1e-5, rtol=1e-3)


def test_a_classifier_of_scale_zero_changes_nothing(pipe):
    reader = LatentClassifier(in_channels=4, width=16, norm_num_groups=4).requires_grad_(False)
    wanted, start = [Requirement((Wanted("cube"),))] * 2, noise(pipe, ["a", "b"], 0)
    guided = sample(pipe, told(pipe), guidance_ways.classifier(reader, wanted, 0.0), start, 3)
    torch.testing.assert_close(guided, sample(pipe, told(pipe), guidance_ways.classifier_free(0.0), start, 3))
    pushed = sample(pipe, told(pipe), guidance_ways.classifier(reader, wanted, 50.0), start, 3)
    assert not torch.allclose(pushed, guided, atol=1e-3)


def test_a_moment_is_what_the_scheduler_means(pipe):
    seen: list[Moment] = []

    def guide(now, ask):
        seen.append(now)
        return ask(now, "caption")[0]

    sample(pipe, told(pipe), guide, noise(pipe, ["a", "b"], 0), 4)
    assert [int(now.t) for now in seen] == [999, 749, 499, 249]
    assert [now.progress for now in seen] == [0, 0.25, 0.5, 0.75]
    assert all(float(now.a**2 + now.s**2) == pytest.approx(1, abs=1e-5) for now in seen)
