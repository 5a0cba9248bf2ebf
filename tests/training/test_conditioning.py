"""What training tells a denoiser is what the pipeline tells it, and what training asks for is what the pipeline expects."""

import pytest
import torch
from diffusers import DDIMScheduler

from experiments.training import objective
from experiments.training.conditioning import LONG_PADDING, denoiser, predictor

TEXTS = ["a small red metal cube", "a large blue rubber sphere to the left of a green cone", ""]
NAMES = ["stable_diffusion", "stable_diffusion_3"]


def ids(pipeline, texts=TEXTS):
    made = pipeline.tokenizer(texts, padding="max_length", max_length=40, truncation=True, return_tensors="pt")
    return made["input_ids"]


ORDER = {"stable_diffusion": ("x", "timestep", "words"), "stable_diffusion_3": ("x", "words", "pooled", "timestep")}
NAMED = {"sample": "x", "hidden_states": "x", "encoder_hidden_states": "words", "pooled_projections": "pooled", "timestep": "timestep"}


class Said(tuple):
    """An answer in both forms that callers take it in."""

    sample = property(lambda self: self[0])


@pytest.fixture
def heard(request, monkeypatch):
    """For a name its pipeline, and a list of what its denoiser is told from now on; `answer(x, timestep)` is what it says."""

    def of(name, answer=lambda x, timestep: torch.zeros_like(x)):
        pipeline, told = request.getfixturevalue(name), []

        def forward(*given, **named):
            what = dict(zip(ORDER[name], given)) | {NAMED[k]: v for k, v in named.items() if k in NAMED}
            told.append(what)
            return Said([answer(what["x"], what["timestep"])])

        monkeypatch.setattr(denoiser(pipeline), "forward", forward)
        return pipeline, told

    return of


def test_words_of_stable_diffusion_are_those_of_its_pipeline(heard):
    pipeline, told = heard("stable_diffusion")
    x, t = torch.randn(3, 4, 8, 8), torch.tensor([1, 500, 999])
    predictor(pipeline)(x, t, ids(pipeline), torch.Generator())
    words, _ = pipeline.encode_prompt(TEXTS, "cpu", 1, False)
    assert torch.equal(told[0]["x"], x) and torch.equal(told[0]["timestep"], t)
    assert torch.allclose(told[0]["words"], words, atol=1e-6)


@pytest.mark.parametrize("absent", [16, LONG_PADDING])
def test_words_of_stable_diffusion_3_are_those_of_its_pipeline(heard, absent):
    pipeline, told = heard("stable_diffusion_3")
    x, t = torch.randn(3, 4, 8, 8), torch.tensor([1.0, 500.0, 999.0])
    seed = next(s for s in range(100) if (torch.rand((), generator=torch.Generator().manual_seed(s)) < 0.125) == (absent > 16))
    predictor(pipeline)(x, t, ids(pipeline), torch.Generator().manual_seed(seed))
    words, _, pooled, _ = pipeline.encode_prompt(TEXTS, None, None, "cpu", 1, False, max_sequence_length=absent)
    assert torch.equal(told[0]["x"], x) and torch.equal(told[0]["timestep"], t)
    assert told[0]["words"].shape == words.shape == (3, 40 + absent, 80)
    assert torch.allclose(told[0]["words"], words, atol=1e-6) and torch.allclose(told[0]["pooled"], pooled, atol=1e-6)
    assert not told[0]["words"][:, 40:].any()


def test_the_default_call_uses_the_long_padding(heard):
    pipeline, told = heard("stable_diffusion_3")
    pipeline(TEXTS[0], num_inference_steps=1, guidance_scale=1.0, output_type="latent")
    assert told[0]["words"].shape[1] == 40 + LONG_PADDING


def test_one_batch_in_eight_has_the_long_padding(heard):
    pipeline, told = heard("stable_diffusion_3")
    predict, generator = predictor(pipeline), torch.Generator().manual_seed(0)
    some = ids(pipeline)[:1]
    for _ in range(96):
        predict(torch.zeros(1, 4, 8, 8), torch.zeros(1), some, generator)
    lengths = [t["words"].shape[1] for t in told]
    assert set(lengths) == {56, 40 + LONG_PADDING} and 4 <= lengths.count(40 + LONG_PADDING) <= 22


@pytest.mark.parametrize("name", NAMES)
def test_only_the_denoiser_gets_gradients(name, request):
    pipeline = request.getfixturevalue(name)
    predict = predictor(pipeline)
    predict(torch.randn(2, 4, 8, 8), torch.tensor([3.0, 7.0]), ids(pipeline)[:2], torch.Generator()).square().sum().backward()
    assert all(p.grad is None for part in ("text_encoder", "vae") for p in getattr(pipeline, part).parameters())
    assert sum(p.grad is not None for p in denoiser(pipeline).parameters()) > 10
    denoiser(pipeline).zero_grad(set_to_none=True)


def test_predict_asks_the_denoiser_that_the_pipeline_holds_when_it_is_made(stable_diffusion):
    """Training makes it before the moving average takes the denoiser's place."""
    predict, unet = predictor(stable_diffusion), stable_diffusion.unet
    try:
        stable_diffusion.unet = None
        assert predict(torch.zeros(1, 4, 8, 8), torch.zeros(1), torch.zeros(1, 40, dtype=torch.long), None).shape == (1, 4, 8, 8)
    finally:
        stable_diffusion.unet = unet


# ---- the objective and the pipeline's scheduler mean the same ---------------------------------------------------------

def only_datum():
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))


def knows_epsilon(kept, x0):
    """The right noise for data that is always x0."""

    def answer(x, timestep):
        a = kept[timestep.long().reshape(-1)].sqrt().view(-1, 1, 1, 1)
        return (x - a * x0) / (1 - a**2).sqrt()

    return answer


def knows_flow(x0):
    return lambda x, timestep: (x - x0) / (timestep.float().view(-1, 1, 1, 1) / 1000)


@pytest.mark.parametrize(("name", "kind"), [("stable_diffusion", "epsilon"), ("stable_diffusion_3", "flow")])
def test_who_knows_the_answer_has_no_loss_and_draws_the_data(heard, request, name, kind):
    """With one datum the best answer is known. The objective finds no fault in it, and the pipeline draws that datum."""
    x0 = only_datum()
    kept = request.getfixturevalue("stable_diffusion").scheduler.alphas_cumprod
    pipeline, _ = heard(name, answer=knows_epsilon(kept, x0) if kind == "epsilon" else knows_flow(x0))
    tokens = ids(pipeline)[None, :2].expand(1, 2, 40)
    loss = objective.loss(pipeline, kind, (x0, torch.zeros_like(x0)), tokens, 16)
    assert all(loss(s, torch.Generator().manual_seed(s)).item() < 1e-5 for s in range(5))
    call = dict(num_inference_steps=20, guidance_scale=1.0, output_type="latent", generator=torch.Generator().manual_seed(1))
    drawn = pipeline(TEXTS[0], **call).images
    assert (drawn - x0).abs().max() < (0.2 if kind == "epsilon" else 1e-3)  # SD's last step leaves a little noise


def test_a_wrong_answer_has_the_loss_of_its_distance(heard):
    pipeline, _ = heard("stable_diffusion_3")  # says zero
    x0 = only_datum()
    loss = objective.loss(pipeline, "flow", (x0, torch.zeros_like(x0)), ids(pipeline)[None, :2], 512)
    expected = 1 + x0.square().mean().item()  # E |eps - x0|^2 for each number
    assert loss(0, torch.Generator().manual_seed(0)).item() == pytest.approx(expected, rel=0.05)


def test_the_code_is_drawn_from_the_posterior(heard):
    pipeline, _ = heard("stable_diffusion_3")
    mean, deviation = torch.full((1, 4, 8, 8), 3.0), torch.full((1, 4, 8, 8), 0.5)
    loss = objective.loss(pipeline, "flow", (mean, deviation), ids(pipeline)[None, :2], 512)
    value = loss(0, torch.Generator().manual_seed(0)).item()
    assert value == pytest.approx(1 + 9 + 0.25, rel=0.03)


def test_one_caption_in_ten_is_forgotten_and_styles_are_mixed(heard):
    pipeline, told = heard("stable_diffusion")
    tokens = ids(pipeline)[None, :2].repeat(3, 1, 1)
    loss = objective.loss(pipeline, "epsilon", (torch.zeros(3, 4, 8, 8), torch.zeros(3, 4, 8, 8)), tokens, 300)
    loss(0, torch.Generator().manual_seed(0))
    words = told[0]["words"]
    known = [pipeline.encode_prompt(t, "cpu", 1, False)[0][0] for t in TEXTS]
    which = torch.stack([(words - k).abs().amax((1, 2)) for k in known]).argmin(0)
    shares = torch.bincount(which, minlength=3) / 300
    assert 0.05 < shares[2] < 0.17 and (shares[:2] - 0.45).abs().max() < 0.12


def test_the_loss_depends_on_its_generator_alone(stable_diffusion):
    codes = (torch.randn(4, 4, 8, 8), torch.rand(4, 4, 8, 8))
    loss = objective.loss(stable_diffusion, "epsilon", codes, ids(stable_diffusion)[None, :2].repeat(4, 1, 1), 4)
    torch.manual_seed(1)
    first = loss(0, torch.Generator().manual_seed(5)).item()
    torch.manual_seed(2)
    assert loss(0, torch.Generator().manual_seed(5)).item() == first
    assert loss(0, torch.Generator().manual_seed(6)).item() != first


def test_the_velocity_objective_fits_the_scheduler_of_that_name(heard):
    """A pipeline whose scheduler says v_prediction draws the datum from the right velocities."""
    x0 = only_datum()
    kept = heard("stable_diffusion")[0].scheduler.alphas_cumprod

    def answer(x, timestep):
        a = kept[timestep.long().reshape(-1)].sqrt().view(-1, 1, 1, 1)
        s = (1 - a**2).sqrt()
        return a * (x - a * x0) / s - s * x0

    pipeline, _ = heard("stable_diffusion", answer=answer)
    tokens = ids(pipeline)[None, :2]
    loss = objective.loss(pipeline, "velocity", (x0, torch.zeros_like(x0)), tokens, 16)
    assert loss(0, torch.Generator().manual_seed(0)).item() < 1e-4
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, prediction_type="v_prediction", clip_sample=False)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    scheduler.set_timesteps(10)
    for t in scheduler.timesteps:
        x = scheduler.step(answer(x, t), t, x).prev_sample
    assert (x - x0).abs().max() < 0.2
