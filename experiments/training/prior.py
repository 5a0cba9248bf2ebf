"""Training of Kandinsky 2.1's prior from captions and CLIP's embeddings of the pictures."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from diffusers import KandinskyPriorPipeline, PriorTransformer, UnCLIPScheduler
from transformers import CLIPModel, CLIPTokenizer

from experiments.artefacts import fingerprint, store
from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.models.pipelines import parts
from experiments.models.pipelines.kandinsky import picture_tower, processor
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus
from experiments.training.embeddings import picture_embeddings
from experiments.training.journal import Journal
from experiments.training.loop import Plan
from experiments.training.prior_loss import loss, reader

FULLEST = 3  # the style of caption that names most


def train(recipe: Recipe, journal: Journal, count: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train the prior on the first `count` scenes; ships the transformer alone."""
    pipe = assemble(recipe, weights, journal.device)
    pair = CLIPModel.from_pretrained(weights / "clip", dtype=torch.float32).eval().to(journal.device)
    pictures = picture_embeddings(pair, weights / "clip", images("train", 0, count))
    model = pipe.prior
    with torch.no_grad():
        model.clip_mean.copy_(pictures.mean(0, keepdim=True))
        model.clip_std.copy_(pictures.std(0, keepdim=True))
    for fixed in (model.clip_mean, model.clip_std):
        fixed.requires_grad_(False)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    unit = (pictures - model.clip_mean.cpu()) / model.clip_std.cpu()
    ids = corpus.tokens(pipe.tokenizer, "train", count)
    nothing = torch.tensor(pipe.tokenizer("", padding="max_length", max_length=ids.shape[-1])["input_ids"])
    read = reader(pipe.text_encoder, pipe.tokenizer.eos_token_id)
    of_step = loss(model, read, pipe.scheduler.alphas_cumprod, unit, ids, nothing, recipe.batch)
    pipe.prior = average
    plan = journal.plan(Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed))
    key = fingerprint(recipe.made(), count, weights_hash(weights / "clip"))
    journal.run(model, average, of_step, plan, store("training", f"{recipe.name}-{key[:16]}.pt"), pipe)
    scored = journal.measure
    journal.measure = lambda thing, thorough: scored(pipe, thorough)
    return journal.ship(average, weights / recipe.name)


def assemble(recipe: Recipe, weights: Path, device: torch.device) -> KandinskyPriorPipeline:
    """The prior with random weights in its own pipeline."""
    torch.manual_seed(recipe.seed)
    pipe = KandinskyPriorPipeline(
        prior=PriorTransformer(**recipe.config["model"]),
        image_encoder=picture_tower(weights / "clip"),
        text_encoder=parts.projected_tower(weights, "clip").eval(),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        scheduler=UnCLIPScheduler(**recipe.config["scheduler"]),
        image_processor=processor(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


@torch.no_grad()
def retrieved(pipe: KandinskyPriorPipeline, count: int, among: int = 64) -> int:
    """For how many of `count` held-out captions the embedding that the prior draws is nearest, of `among`, to its own picture's."""
    from experiments.training.autoencoder import to_tensor

    texts, hits = [caption(s, "en", FULLEST) for s in scenes("validation", 0, count)], 0
    pictures = images("validation", 0, count)
    for i in range(0, count, among):
        noise = [torch.Generator().manual_seed(k) for k in range(i, i + among)]
        drawn = pipe(texts[i : i + among], num_inference_steps=10, guidance_scale=1.0, generator=noise).image_embeds
        true = pipe.image_encoder(to_tensor(pictures[i : i + among]).to(pipe.device)).image_embeds
        near = (torch.nn.functional.normalize(drawn, dim=1) @ torch.nn.functional.normalize(true, dim=1).T).argmax(1).cpu()
        hits += int((near == torch.arange(among)).sum())
    return hits
