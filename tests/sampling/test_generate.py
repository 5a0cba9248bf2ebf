"""Prompts to pictures: the same picture whatever else is drawn, guidance as it is written, and failures with names."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from experiments.data.prompts import CATEGORIES, prompts
from experiments.sampling.generate import BATCH, batches, generate, generator

WANTED = prompts("tune", CATEGORIES[-1], 5)  # all differ in their wording
FEW = dict(num_inference_steps=2, guidance_scale=3.0)


class Fake:
    """A pipeline whose pictures are the first numbers of their generators, plus what the test wants."""

    def __init__(self, change=lambda text, picture: picture, kind="pt"):
        self.change, self.kind, self.calls = change, kind, []

    def __call__(self, prompt, generator, output_type, **call):
        self.calls.append((list(prompt), call))
        drawn = [self.change(text, torch.rand(3, 4, 4, generator=g)) for text, g in zip(prompt, generator, strict=True)]
        images = torch.stack(drawn)
        return SimpleNamespace(images=images if self.kind == "pt" else images.numpy())


# ---- noise and batches -----------------------------------------------------------------------------------------------

def test_the_noise_depends_on_prompt_and_seed_alone():
    torch.manual_seed(1)
    first = torch.randn(4, generator=generator("p1", 0))
    torch.manual_seed(2)
    assert torch.equal(first, torch.randn(4, generator=generator("p1", 0)))
    others = [torch.randn(4, generator=generator(p, s)) for p in ("p1", "p2", "p11") for s in (0, 1, 10)]
    assert len({tuple(o.tolist()) for o in others}) == 9
    assert generator("p1", 0).device.type == "cpu"


def test_ids_and_seeds_do_not_run_together():
    """Prompt 1 with seed 11 is not prompt 11 with seed 1, nor are wordings the source of noise."""
    assert generator("1", 11).initial_seed() != generator("11", 1).initial_seed()
    assert len({generator(p.id, s).initial_seed() for c in CATEGORIES for p in prompts("test", c, 50) for s in range(3)}) == 6 * 50 * 3


def test_the_known_seed_of_a_prompt():
    """Recorded pictures are found again only while this number stays."""
    assert generator("a", 0).initial_seed() == 2948495113425778150


def test_the_global_generator_is_not_used():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    generate(Fake(), WANTED)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10])])
def test_batches_are_cut_the_same_for_everybody(n, sizes):
    assert BATCH == 25
    cut = list(batches(list(range(n))))
    assert [len(b) for b in cut] == sizes and sum(cut, []) == list(range(n))


def test_every_prompt_gets_its_picture_in_order():
    fake = Fake()
    drawn = generate(fake, WANTED, seed=4, batch=2, num_inference_steps=7)
    assert [c[0] for c in fake.calls] == [[p.text for p in WANTED[i : i + 2]] for i in (0, 2, 4)]
    assert all(c[1] == dict(num_inference_steps=7) for c in fake.calls)
    for prompt, picture in zip(WANTED, drawn, strict=True):
        expected = torch.rand(3, 4, 4, generator=generator(prompt.id, 4))
        assert torch.equal(picture, (expected * 255).round().to(torch.uint8))


# ---- what is returned ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["pt", "np"])
def test_levels_are_rounded_and_cut_to_their_range(kind):
    values = torch.tensor([0.0, 0.499 / 255, 0.501 / 255, 254.6 / 255, 1.0, 1.7, -0.2, 127.5 / 255])
    picture = values.repeat(6).view(3, 4, 4)
    drawn = generate(Fake(lambda text, p: picture, kind), WANTED[:1])
    assert drawn.dtype == torch.uint8
    assert drawn[0].flatten()[:8].tolist() == [0, 0, 1, 255, 255, 255, 0, 128]


def test_no_prompt_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        generate(Fake(), [])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_pictures_that_are_not_finite_are_named(bad):
    def spoil(text, picture):
        return picture.index_fill(2, torch.tensor([1]), bad) if text in (WANTED[1].text, WANTED[4].text) else picture

    with pytest.raises(FloatingPointError) as raised:
        generate(Fake(spoil), WANTED)
    assert f"not finite for {WANTED[1].id}, {WANTED[4].id}: use float32" in str(raised.value)


def test_a_decoder_that_overflows_is_named(stable_diffusion, monkeypatch):
    plain = stable_diffusion.vae.decode

    def overflowing(latents, **options):
        image = plain(latents, return_dict=False)[0].clone()
        image[1] = float("nan")
        return (image,)

    monkeypatch.setattr(stable_diffusion.vae, "decode", overflowing)
    with pytest.raises(FloatingPointError, match=WANTED[1].id):
        generate(stable_diffusion, WANTED[:2], **FEW)


# ---- pipelines -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["stable_diffusion", "stable_diffusion_3"])
def test_a_picture_does_not_depend_on_how_many_more_are_drawn(name, request):
    """Whole batches give the same bytes; in a batch that is not full, sums may be taken in another order."""
    pipeline = request.getfixturevalue(name)
    call = FEW | (dict(max_sequence_length=16) if name == "stable_diffusion_3" else {})
    drawn = generate(pipeline, WANTED, batch=2, **call)
    assert drawn.shape == (5, 3, 64, 64) and drawn.dtype == torch.uint8
    assert torch.equal(drawn[:4], generate(pipeline, WANTED[:4], batch=2, **call))
    fewer = generate(pipeline, WANTED[:3], batch=2, **call)
    assert torch.equal(drawn[:2], fewer[:2]) and (drawn[2].int() - fewer[2].int()).abs().max() <= 1
    assert not torch.equal(drawn, generate(pipeline, WANTED, seed=1, batch=2, **call))
    assert len({p.numpy().tobytes() for p in drawn}) == 5


def test_pictures_have_no_graph_and_training_mode_is_left_alone(stable_diffusion):
    stable_diffusion.unet.train()
    drawn = generate(stable_diffusion, WANTED[:1], **FEW)
    assert stable_diffusion.unet.training and not drawn.requires_grad
    stable_diffusion.unet.eval()


# ---- guidance --------------------------------------------------------------------------------------------------------

def with_ddim(pipeline) -> StableDiffusionPipeline:
    """The same parts with DDIM, whose step has no memory."""
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    made = StableDiffusionPipeline(**pipeline.components | dict(scheduler=scheduler), requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


@torch.no_grad()
def by_hand(pipeline, text: str, guidance: float | None, steps: int) -> torch.Tensor:
    """DDIM's code for one prompt; `guidance` None asks the model with the prompt alone."""

    def words(t):
        ids = pipeline.tokenizer(t, padding="max_length", max_length=40, truncation=True, return_tensors="pt").input_ids
        return pipeline.text_encoder(ids).last_hidden_state

    x = torch.randn(1, 4, 8, 8, generator=generator("g", 0))
    pipeline.scheduler.set_timesteps(steps)
    for t in pipeline.scheduler.timesteps:
        said = pipeline.unet(x, t, words(text)).sample
        if guidance is not None:
            nothing = pipeline.unet(x, t, words("")).sample
            said = nothing + guidance * (said - nothing)
        x = pipeline.scheduler.step(said, t, x).prev_sample
    return x


def drawn_code(pipeline, guidance: float, steps: int) -> torch.Tensor:
    call = dict(generator=generator("g", 0), num_inference_steps=steps, guidance_scale=guidance, output_type="latent")
    return pipeline(TEXT, **call).images


TEXT = "a small red metal cube"


def test_guidance_of_one_is_the_conditional_model(stable_diffusion):
    pipeline = with_ddim(stable_diffusion)
    alone = by_hand(pipeline, TEXT, None, 4)
    assert torch.allclose(drawn_code(pipeline, 1.0, 4), alone, atol=1e-5)
    assert torch.allclose(by_hand(pipeline, TEXT, 1.0, 4), alone, atol=1e-5)


@pytest.mark.parametrize("guidance", [1.5, 4.0, 7.5])
def test_guidance_is_u_plus_w_times_c_minus_u(stable_diffusion, guidance):
    pipeline = with_ddim(stable_diffusion)
    drawn, expected = drawn_code(pipeline, guidance, 4), by_hand(pipeline, TEXT, guidance, 4)
    assert torch.allclose(drawn, expected, atol=1e-4)
    assert not torch.allclose(drawn, by_hand(pipeline, TEXT, None, 4), atol=1e-3)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_guidance_of_stable_diffusion_3(stable_diffusion_3, guidance):
    pipeline = stable_diffusion_3
    call = dict(num_inference_steps=3, guidance_scale=guidance, max_sequence_length=16, output_type="latent")
    drawn = pipeline(TEXT, generator=generator("g", 0), **call).images
    with torch.no_grad():
        c, u, pooled_c, pooled_u = pipeline.encode_prompt(TEXT, None, None, device="cpu", max_sequence_length=16)
        x = torch.randn(1, 4, 8, 8, generator=generator("g", 0))
        pipeline.scheduler.set_timesteps(3)
        for t in pipeline.scheduler.timesteps:
            said = pipeline.transformer(x, c, pooled_c, t[None]).sample
            if guidance > 1:
                nothing = pipeline.transformer(x, u, pooled_u, t[None]).sample
                said = nothing + guidance * (said - nothing)
            x = pipeline.scheduler.step(said, t, x).prev_sample
    assert torch.allclose(drawn, x, atol=1e-4)


def test_numpy_pictures_are_read_as_they_are():
    """What a pipeline without output_type "pt" gives must not be turned or scaled twice."""
    drawn = generate(Fake(kind="np"), WANTED[:1])
    expected = np.asarray(torch.rand(3, 4, 4, generator=generator(WANTED[0].id, 0)))
    assert np.array_equal(drawn[0].numpy(), np.rint(expected * 255).astype(np.uint8))
