"""Rows of guidance: the classifier of noisy latents and the students that have learnt guidance."""

from __future__ import annotations

from experiments.models.recipes.bars import TEXT_TO_IMAGE_BARS
from experiments.models.recipes.recipe import CAPTIONS, LOOP, RENDER, Recipe
from experiments.models.recipes.stable_diffusion import STABLE_DIFFUSION_SCHEDULE, UNET

DDIM = {k: v for k, v in STABLE_DIFFUSION_SCHEDULE.items() if k != "skip_prk_steps"} | dict(
    timestep_spacing="trailing", clip_sample=False
)
STUDENT = dict(
    pipeline="stable-diffusion",
    denoiser=UNET | dict(time_cond_proj_dim=64),
    scheduler=DDIM,
    solver="DDIMScheduler",
    scores="experiments.metrics.student_scores:scores",
)
_BY_STUDENT = (LOOP, RENDER, CAPTIONS, "experiments.training.guidance_loss")
_OF_STUDENTS = dict(
    trainer="experiments.training.guidance_distillation:train",
    batch=32,
    rate=5e-4,
    made_by=_BY_STUDENT,
    expected=TEXT_TO_IMAGE_BARS,
)


def _student(steps: int, teacher: str, images: int) -> Recipe:
    """A student of stage two: `steps` steps for twice as many of its teacher's."""
    return Recipe(
        f"mini-sd1.5-guided-{steps}",
        mirrors="stage two of guidance distillation (arXiv:2210.03142): progressive halving of steps",
        objective="where two steps land",
        images=images,
        needs=("autoencoder", "clip", teacher),
        config=STUDENT | dict(teacher=teacher, distillation=dict(stage=2, steps=steps, weights=(1.0, 8.0))),
        defaults=dict(num_inference_steps=steps, guidance_scale=4.0),
        **_OF_STUDENTS,
    )


ROWS = (
    Recipe(
        "latent-classifier",
        "experiments.training.latent_classifier:train",
        mirrors="the noise-aware classifier of classifier guidance (arXiv:2105.05233), on latents",
        objective="counts of shapes, presence of colour and shape",
        images=128_000,
        batch=64,
        rate=2e-3,
        made_by=(LOOP, RENDER, "experiments.training.latent_classifier_loss", "experiments.training.paths"),
        needs=("autoencoder",),
        config=dict(
            classifier=dict(in_channels=16, width=64, norm_num_groups=8),
            scheduler=DDIM,
            scores="experiments.metrics.classifier_scores:scores",
        ),
    ),
    Recipe(
        "mini-sd1.5-guided",
        mirrors="stage one of guidance distillation (arXiv:2210.03142); FLUX.1-dev takes its guidance as an input too",
        objective="guided noise",
        images=64_000,
        needs=("autoencoder", "clip", "mini-sd1.5"),
        config=STUDENT | dict(teacher="mini-sd1.5", distillation=dict(stage=1, steps=16, weights=(1.0, 8.0))),
        defaults=dict(num_inference_steps=8, guidance_scale=4.0),
        **_OF_STUDENTS,
    ),
    _student(4, "mini-sd1.5-guided", 32_000),
)
