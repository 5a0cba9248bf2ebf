"""Consistency distillation of mini-sd1.5, as an arm that does not ship: few steps without pairs, at the cost of the ways with pairs."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, LCMScheduler

from experiments.artefacts import atomic_folder, fingerprint, source_hash, store, write_json
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus
from experiments.training.consistency_loss import SCALING, STRIDE, loss
from experiments.training.journal import as_shipped, save
from experiments.training.loop import Plan, fit
from experiments.training.objective import attention

TEACHER, GUIDANCE, BATCH, RATE = "mini-sd1.5", 4.0, 64, 5e-4
MADE_BY = ("experiments.training.consistency_loss", "experiments.training.loop", "experiments.data.render", "experiments.data.captions")


def train(images: int, seed: int = 0, weights: Path = WEIGHTS, scenes: int = corpus.TRAINING_SCENES) -> Path:
    """The folder of the student after `images` images in the order and with the noise of `seed`, which has a pipeline and a record; a finished one stays, a killed one goes on."""
    pipe = DiffusionPipeline.from_pretrained(weights / TEACHER, torch_dtype=torch.float32)
    made = fingerprint(source_hash(*MADE_BY), images, seed, GUIDANCE, BATCH, RATE, scenes, weights_hash(weights / TEACHER))
    folder = store("training", f"consistency-{made[:16]}")
    if (folder / "training.json").exists():
        return folder
    teacher = pipe.unet.requires_grad_(False).eval()
    student, average = (copy.deepcopy(teacher).requires_grad_(learns) for learns in (True, False))
    nothing = torch.tensor([pipe.tokenizer("", padding="max_length", max_length=pipe.tokenizer.model_max_length)["input_ids"]])
    data = corpus.codes(pipe.vae, weights / "autoencoder", "train", scenes), corpus.tokens(pipe.tokenizer, "train", scenes), nothing
    plain = loss(student, average, teacher, pipe.scheduler.alphas_cumprod, data, lambda ids: pipe.text_encoder(ids).last_hidden_state, GUIDANCE, BATCH)

    def steps(number: int, generator: torch.Generator) -> torch.Tensor:
        with attention(student.device):
            return plain(number, generator)

    plan, seconds = Plan(images=images, batch=BATCH, rate=RATE, warmup=100, average=0.95, seed=seed), 0.0
    for progress in fit(student, average, steps, plan, folder.with_suffix(".pt")):
        seconds = progress.seconds
    pipe.unet = average
    pipe.scheduler = LCMScheduler.from_config(dict(pipe.scheduler.config), original_inference_steps=1000 // STRIDE, timestep_scaling=SCALING)
    with atomic_folder(folder) as scratch:
        save(as_shipped(pipe), scratch, {})
        write_json(scratch / "training.json", {"images_seen": plan.steps * BATCH, "seconds_spent": round(seconds, 1), "guidance": GUIDANCE})
    return folder
