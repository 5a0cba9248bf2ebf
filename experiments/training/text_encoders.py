"""Training of the text encoders beside CLIP, from captions to the folder that pipelines take them from."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import CLIPModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import SAFE_WEIGHTS_NAME

from experiments.artefacts import atomic_folder, fingerprint, store, write_json
from experiments.data.dataset import images
from experiments.models import text_models
from experiments.models import text_tokenizers as make
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus, text_losses, texts
from experiments.training.embeddings import picture_embeddings
from experiments.training.journal import Journal, save
from experiments.training.loop import Plan
from experiments.training.narrow import round_
from experiments.training.smaller import in_eight_bits

SMALL = 2  # layers of a T5 that is kept in half precision; one with more is kept in 8 bits, for all weights must fit into a repository


@dataclass(frozen=True)
class Reader:
    """A text model with its tokenizer, as `accuracy` asks them."""

    model: torch.nn.Module
    tokenizer: object
    languages: tuple[str, ...]
    asked: Callable[[torch.nn.Module, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # logits [B,L,V] and labels [B,L]


@torch.no_grad()
def accuracy(reader: Reader, scenes: int) -> tuple[int, int]:
    """How many held-out tokens are named right at first guess, and of how many; captions of the validation split."""
    ids = texts.ids(reader.tokenizer, "validation", scenes, reader.languages, _wording(reader.tokenizer))
    hits = total = 0
    for rows in ids.flatten(0, 1).split(256):
        said, labels = reader.asked(reader.model, rows)
        asked = labels != text_losses.NOT_ASKED
        hits, total = hits + int((said.argmax(-1) == labels)[asked].sum()), total + int(asked.sum())
    return hits, total


def t5(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """A T5 (or mT5) on captions alone, by span corruption; ships the encoder."""
    tokenizer = make.t5_tokenizer(_captions(recipe, scenes), recipe.config["length"])
    model, average = _pair(recipe, lambda: text_models.t5(recipe.config, tokenizer), journal.device)
    sentinels = [tokenizer.convert_tokens_to_ids(f"<extra_id_{i}>") for i in range(make.SENTINELS)]
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id

    def asked(model, rows):
        inputs, labels = text_losses.corrupt(rows, pad, end, sentinels, torch.Generator().manual_seed(0))
        labels = labels.to(model.device)
        named = labels.masked_fill(torch.isin(labels, torch.tensor(sentinels, device=labels.device)), text_losses.NOT_ASKED)
        return text_losses.span_logits(model, inputs.to(model.device), labels, pad), named

    reader = Reader(average, tokenizer, recipe.config["languages"], asked)
    ids = texts.ids(tokenizer, "train", scenes, recipe.config["languages"])
    loss = text_losses.span_corruption(model, ids, recipe.batch, pad, end, sentinels)
    _run(recipe, journal, model, average, loss, scenes, reader, [])
    if large := recipe.config["model"]["num_layers"] > SMALL:
        round_(average)  # what is scored is what ships
    folder = _ship(journal, weights / recipe.name, tokenizer, text_models.t5_encoder(average), reader)
    if large:
        in_eight_bits(folder / "text_encoder" / SAFE_WEIGHTS_NAME)
    return folder


def language_model(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """A causal language model on captions alone, in the wording in which the pipeline hands it a prompt."""
    tokenizer = make.qwen_tokenizer(_captions(recipe, scenes)["en"], recipe.config["length"])
    model, average = _pair(recipe, lambda: text_models.language_model(recipe.config, tokenizer), journal.device)
    pad = tokenizer.pad_token_id
    reader = Reader(
        average, tokenizer, recipe.config["languages"], lambda model, rows: text_losses.next_logits(model, rows.to(model.device), pad)
    )
    ids = texts.ids(tokenizer, "train", scenes, recipe.config["languages"], _wording(tokenizer))
    _run(recipe, journal, model, average, text_losses.next_token(model, ids, recipe.batch, pad), scenes, reader, [])
    return _ship(journal, weights / recipe.name, tokenizer, average, reader)


def bilingual(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """The bilingual text tower beside the frozen picture tower of `clip`; ships the BERT without its projection."""
    tokenizer = make.bert_tokenizer(recipe.config["languages"], recipe.config["length"])
    model, average = _pair(recipe, lambda: text_models.bilingual(recipe.config, tokenizer), journal.device)
    pair = CLIPModel.from_pretrained(weights / "clip", dtype=torch.float32).eval().to(journal.device)
    pictures = torch.nn.functional.normalize(picture_embeddings(pair, weights / "clip", images("train", 0, scenes)), dim=1)
    ids = texts.ids(tokenizer, "train", scenes, recipe.config["languages"])
    loss = text_losses.locked_image(model, pictures, ids, recipe.batch, tokenizer.pad_token_id)
    thing = (average.beside(pair), tokenizer)
    _run(recipe, journal, model, average, loss, scenes, thing, [weights_hash(weights / "clip")])
    return _ship(journal, weights / recipe.name, tokenizer, average.encoder, thing)


def multilingual(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """The multilingual text encoder, which follows CLIP's own text tower."""
    tokenizer = make.xlm_roberta_tokenizer(_captions(recipe, scenes), recipe.config["length"])
    model, average = _pair(recipe, lambda: text_models.multilingual(recipe.config, tokenizer), journal.device)
    pair = CLIPModel.from_pretrained(weights / "clip", dtype=torch.float32).eval().to(journal.device)
    tower = CLIPTextModelWithProjection.from_pretrained(weights / "clip" / "text_encoder_projected", dtype=torch.float32)
    tower = tower.eval().requires_grad_(False).to(journal.device)
    own = corpus.tokens(CLIPTokenizer.from_pretrained(weights / "clip"), "train", scenes)
    ids = texts.ids(tokenizer, "train", scenes, recipe.config["languages"])
    loss = text_losses.follow(model, lambda rows: tower(rows).text_embeds, own, ids, recipe.batch, tokenizer.pad_token_id)
    thing = (average.beside(pair), tokenizer)
    _run(recipe, journal, model, average, loss, scenes, thing, [weights_hash(weights / "clip")])
    return _ship(journal, weights / recipe.name, tokenizer, average.encoder, thing)


def _captions(recipe: Recipe, scenes: int) -> dict[str, list[str]]:
    """What a vocabulary is made of: a fixed part of the training captions."""
    return {language: list(itertools.islice(texts.captions("train", scenes, language), 20_000)) for language in recipe.config["languages"]}


def _wording(tokenizer) -> Callable[[str], str]:
    return (lambda text: make.chat(tokenizer, text)) if tokenizer.chat_template else str


def _pair(recipe: Recipe, build: Callable[[], torch.nn.Module], device: torch.device):
    torch.manual_seed(recipe.seed)
    model = build().to(device)
    return model, copy.deepcopy(model).requires_grad_(False).eval()


def _run(recipe: Recipe, journal: Journal, model, average, loss, scenes: int, subject, heard: list[str]) -> None:
    key = fingerprint(recipe.made(), scenes, heard)
    plan = journal.plan(Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed, average=0.99, cooldown=0.5))
    journal.run(model, average, loss, plan, store("training", f"{recipe.name}-{key[:16]}.pt"), subject)


def _ship(journal: Journal, folder: Path, tokenizer, encoder, subject) -> Path:
    """The encoder in half precision in `text_encoder`, its tokenizer beside it, and the record."""
    scores = journal.measure(subject, True)
    with atomic_folder(folder) as scratch:
        tokenizer.save_pretrained(scratch)
        save(encoder, scratch / "text_encoder", {})
        write_json(scratch / "training.json", journal.record(scores, encoder))
    return folder
