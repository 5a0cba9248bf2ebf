"""Training of the parts that pipelines share: the autoencoder and the CLIP pairs."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from experiments.artefacts import atomic_folder, fingerprint, store, write_json
from experiments.data.dataset import images
from experiments.models import assemble
from experiments.models.recipes import LENGTH, Recipe
from experiments.models.tokenizers import clip_tokenizer
from experiments.models.zoo import WEIGHTS
from experiments.training import autoencoder as ae
from experiments.training import clip as pair
from experiments.training import corpus
from experiments.training.journal import Journal, save
from experiments.training.loop import Plan


def _plan(recipe: Recipe, **more) -> Plan:
    return Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed, average=0.998, cooldown=0.5, **more)


def _checkpoint(recipe: Recipe, scenes: int) -> Path:
    return store("training", f"{recipe.name}-{fingerprint(recipe.made(), scenes)[:16]}.pt")


def autoencoder(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train the autoencoder and give its code mean 0 and deviation 1."""
    torch.manual_seed(recipe.seed)
    model = AutoencoderKL(**recipe.config).to(journal.device)
    average = copy.deepcopy(model).requires_grad_(False)
    pictures = images("train", 0, scenes)
    plan = journal.plan(_plan(recipe, weight_decay=0.0))
    journal.run(model, average, ae.loss(model, pictures, recipe.batch), plan, _checkpoint(recipe, scenes), average)
    ae.standardise(average, ae.to_tensor(pictures[:2000]).to(journal.device))
    return journal.ship(average, weights / recipe.name)


def clip(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train both towers; ships what the row asks for: the pair, and the text tower with or without its projection."""
    tokenizer = clip_tokenizer(itertools.chain(*corpus.captions("train", scenes // 2)), LENGTH)
    tokens = corpus.tokens(tokenizer, "train", scenes)
    torch.manual_seed(recipe.seed)
    model = assemble.clip(recipe, tokenizer).to(journal.device)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    plan = journal.plan(_plan(recipe, weight_decay=0.05))
    loss = pair.loss(model, images("train", 0, scenes), tokens, recipe.batch)
    journal.run(model, average, loss, plan, _checkpoint(recipe, scenes), (average, tokenizer))
    scores = journal.measure((average, tokenizer), True)
    with atomic_folder(weights / recipe.name) as scratch:
        if recipe.config["whole"]:
            save(average, scratch, {})
        tokenizer.save_pretrained(scratch)
        for name, tower in text_towers(average).items():
            if name in recipe.config["towers"]:
                save(tower, scratch / name, {})
        write_json(scratch / "training.json", journal.record(scores, average))
    return weights / recipe.name


def text_towers(model) -> dict[str, torch.nn.Module]:
    """The text tower as SD 1.5 wants it (no projection) and as SD3 does."""
    plain, projected = CLIPTextModel(model.config.text_config), CLIPTextModelWithProjection(model.config.text_config)
    plain.load_state_dict(_renamed(model.text_model.state_dict(), plain))
    inner = projected.text_model.state_dict()
    projected.text_model.load_state_dict({k: v for k, v in model.text_model.state_dict().items() if k in inner})
    projected.text_projection.load_state_dict(model.text_projection.state_dict())
    return {"text_encoder": plain, "text_encoder_projected": projected}


def _renamed(state: dict, target: torch.nn.Module) -> dict:
    """`state` under the names of `target`, which may nest the same module one level deeper."""
    wanted = target.state_dict()
    prefix = "text_model." if any(k.startswith("text_model.") for k in wanted) else ""
    return {prefix + k: v for k, v in state.items() if prefix + k in wanted}

