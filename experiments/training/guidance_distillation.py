"""Guidance distillation (arXiv:2210.03142): from a row to a student that Stable Diffusion's own pipeline loads.

The student has the teacher's U-Net and one more input, the embedding of w, by the door that diffusers keeps for it
(`time_cond_proj_dim`): the pipeline then asks it once a step. Its weights start as the teacher's, with a zero for w.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel

from experiments.artefacts import fingerprint, store
from experiments.models.assemble import pipeline as assemble
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus
from experiments.training.guidance_loss import loss
from experiments.training.journal import Journal
from experiments.training.loop import Plan
from experiments.training.objective import attention

NEW = "time_embedding.cond_proj.weight"  # what a student has and the teacher of stage one has not


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train a student (its config names the `teacher` and holds the `distillation`) and ship it as a pipeline folder."""
    torch.manual_seed(recipe.seed)
    pipe, settings = assemble(recipe, weights), recipe.config["distillation"]
    teacher = UNet2DConditionModel.from_pretrained(weights / recipe.config["teacher"] / "unet", torch_dtype=torch.float32)
    teacher.requires_grad_(False).eval()
    inherit(pipe.unet, teacher)
    student, average = pipe.unet, copy.deepcopy(pipe.unet).requires_grad_(False)
    data = corpus.codes(pipe.vae, weights / "autoencoder", "train", scenes), corpus.tokens(pipe.tokenizer, "train", scenes)
    nothing = torch.tensor([pipe.tokenizer("", padding="max_length", max_length=pipe.tokenizer.model_max_length)["input_ids"]])

    def words(ids):
        return pipe.text_encoder(ids).last_hidden_state

    plain = loss(student, teacher, pipe.scheduler.alphas_cumprod, (*data, nothing), words, told_by(pipe), settings, recipe.batch)

    def steps(number, generator):
        with attention(journal.device):
            return plain(number, generator)

    key = fingerprint(recipe.made(), scenes, [weights_hash(weights / need) for need in recipe.needs])
    plan = journal.plan(Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed, warmup=20, average=0.98))
    pipe.unet = average
    journal.run(student, average, steps, plan, store("training", f"{recipe.name}-{key[:16]}.pt"), pipe)
    return journal.ship(pipe, weights / recipe.name, shared={"vae": "autoencoder", "text_encoder": "clip/text_encoder"})


def inherit(student: UNet2DConditionModel, teacher: UNet2DConditionModel) -> None:
    """Give the student the teacher's weights; one that hears of w for the first time does not heed it yet."""
    absent, unknown = student.load_state_dict(teacher.state_dict(), strict=False)
    if unknown or set(absent) - {NEW}:
        raise ValueError(f"the student's network is not the teacher's: {', '.join([*unknown, *absent][:3])} are not in both")
    if absent:
        torch.nn.init.zeros_(student.time_embedding.cond_proj.weight)


def told_by(pipe: DiffusionPipeline):
    """The pipeline's own embedding of guidance weights [B], which it gives w - 1."""
    return lambda w: pipe.get_guidance_scale_embedding(w - 1, embedding_dim=pipe.unet.config.time_cond_proj_dim)
