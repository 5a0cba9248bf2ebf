"""Training of a U-Net's cross-attention on what frozen encoders say, from the same scenes, captions, noises and times for each of them.

The U-Net is that of `mini-sd1.5`, which draws well and has heard English through `clip` alone; its cross-attention and new projections
are all that learns, in one of two ways.

Taught: each cross-attention is to say of a noisy code what that of the untouched U-Net says there when it is told the scene's caption
in English; squared error over the variance of what is to be said. The U-Net is evaluated once and nothing is differentiated but the
cross-attention itself, so that a few thousand images are enough.

Untaught: the noise is to be said, as in any training. Its squared error counts over a^2 (at most HEAVIEST), which makes it an error of
the angular velocity: a caption matters where noise is high, and there errors of the noise are small.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPModel

from experiments.artefacts import atomic_folder, fingerprint, source_hash, store, write_json
from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.data.prompts import Prompt
from experiments.data.scenes import Scene
from experiments.models import zoo
from experiments.models.listeners import PICTURE, Listener, Told, reader
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.sampling.generate import batches, generator
from experiments.training import corpus, paths
from experiments.training.embeddings import picture_embeddings
from experiments.training.loop import Plan, fit
from experiments.training.objective import FORGET, attention

BASE = "mini-sd1.5"
SCENES, SOLIDS, STYLES = 6_000, 2, (2, 4)  # the wordings of the prompts
LANGUAGES = ("en", "zh")  # of the captions that are shown with pictures; never Vietnamese
IMAGES, BATCH, RATE, HEAVIEST = 2_400, 16, 3e-3, 20.0
CALL = dict(num_inference_steps=10, guidance_scale=4.0)  # of DPM-Solver++
MODULES = tuple(
    f"experiments.{name}" for name in ("training.listening", "models.listeners", "training.loop", "data.render", "data.captions")
)


@dataclass(frozen=True)
class Material:
    """Codes of the scenes (mean and deviation [N,C,h,w]), what each encoder says of every distinct text, and the rows [N,texts] of each scene."""

    mean: Tensor
    deviation: Tensor
    rows: Tensor
    said: Mapping[str, tuple[Tensor, Tensor]]
    empty: Mapping[str, tuple[Tensor, Tensor]]
    pictures: Tensor  # standardised embeddings [N,D]
    english: Tensor  # what `clip` says of each text's English version, [texts + 1,L,D], the empty caption last

    def told(self, at: Tensor, text: Tensor, forget: Tensor) -> Told:
        """What is heard of scenes `at`, each by one of its texts; nothing where `forget`."""
        heard = {}
        for name, (empty, mask) in self.empty.items():
            if name == PICTURE:
                heard[name] = self.pictures[at][:, None], ~forget[:, None]
                continue
            states, there = (part[self.rows[at, text]] for part in self.said[name])
            heard[name] = torch.where(forget[:, None, None], empty, states), torch.where(forget[:, None], mask, there)
        return heard


def wider(states: Tensor, mask: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The same with padding up to `length`."""
    extra = length - mask.shape[1]
    return torch.nn.functional.pad(states, (0, 0, 0, extra)), torch.nn.functional.pad(mask, (0, extra))


def material(encoders: Sequence[str], autoencoder, languages: Sequence[str] = LANGUAGES, count: int = SCENES) -> Material:
    """Those of the first `count` training scenes that hold at most SOLIDS solids."""
    kept, drawn = few_solids(count)
    written = [[caption(scene, language, style) for language in languages for style in STYLES] for scene in drawn]
    english = {caption(scene, language, style): caption(scene, "en", style) for scene in drawn for language in languages for style in STYLES}
    texts = tuple(sorted(english))
    place = {t: k for k, t in enumerate(texts)}
    mean, deviation = corpus.codes(autoencoder, WEIGHTS / "autoencoder", "train", corpus.TRAINING_SCENES)
    said, empty = {}, {}
    for name in encoders:
        if name == PICTURE:
            empty[name] = torch.zeros(1, 1, 1), torch.zeros(1, 1, dtype=torch.bool)
            continue
        said[name] = read(name, texts)
        empty[name] = wider(*read(name, ("",)), said[name][1].shape[1])
    rows = torch.tensor([[place[t] for t in row] for row in written])
    known = standardised(embeddings()[list(kept)]) if PICTURE in encoders else torch.zeros(len(kept), 1)
    return Material(mean[list(kept)], deviation[list(kept)], rows, said, empty, known, words((*(english[t] for t in texts), "")))


@lru_cache(maxsize=2)
def few_solids(count: int) -> tuple[tuple[int, ...], tuple[Scene, ...]]:
    """Numbers and scenes."""
    found = [(i, scene) for i, scene in enumerate(scenes("train", 0, count)) if len(scene.solids) <= SOLIDS]
    return tuple(zip(*found))


@lru_cache(maxsize=16)
def read(name: str, texts: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """States and mask of texts."""
    return reader(name)(texts)[:2]


@lru_cache(maxsize=2)
@torch.no_grad()
def words(texts: tuple[str, ...]) -> Tensor:
    """What the encoder of BASE says of texts, [N,L,D], padded as its pipeline pads."""
    pipe = pipeline()
    length = pipe.tokenizer.model_max_length
    ids = torch.tensor(pipe.tokenizer(list(texts), padding="max_length", max_length=length, truncation=True)["input_ids"])
    return torch.cat([pipe.text_encoder(part).last_hidden_state for part in ids.split(256)])


@lru_cache(maxsize=1)
def embeddings() -> Tensor:
    """CLIP's embeddings of all training pictures [N,D]."""
    pair = CLIPModel.from_pretrained(WEIGHTS / "clip", dtype=torch.float32).eval()
    return picture_embeddings(pair, WEIGHTS / "clip", images("train", 0, corpus.TRAINING_SCENES))


def standardised(embedding: Tensor) -> Tensor:
    """By mean and deviation of the training pictures, as the prior does."""
    known = embeddings()
    return (embedding - known.mean(0)) / known.std(0)


@dataclass(frozen=True)
class Batch:
    """What one step sees: a noisy code [B,C,h,w] with its time, what it was made of, what is heard and the row of the English caption."""

    x: Tensor
    eps: Tensor
    timestep: Tensor
    a: Tensor
    told: Told
    english: Tensor


def batches_of(data: Material, alphas_cumprod: Tensor, size: int = BATCH) -> Callable[[torch.Generator], Batch]:
    """Draws batches; what is drawn does not depend on what is heard."""
    draw = paths.variance_preserving(alphas_cumprod)

    def of(generator: torch.Generator) -> Batch:
        at = torch.randint(len(data.mean), (size,), generator=generator)
        text = torch.randint(data.rows.shape[1], (size,), generator=generator)
        forget = torch.rand(size, generator=generator) < FORGET
        x0 = data.mean[at] + data.deviation[at] * torch.randn(data.mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(size, generator)
        english = data.rows[at, text].masked_fill(forget, len(data.english) - 1)
        return Batch(time.a * x0 + time.s * eps, eps, time.timestep, time.a, data.told(at, text, forget), english)

    return of


def untaught(model: Listener, data: Material, alphas_cumprod: Tensor) -> Callable[[int, torch.Generator], Tensor]:
    """The loss of one step: squared error of the noise over a^2."""
    draw = batches_of(data, alphas_cumprod)

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        batch = draw(generator)
        with attention(batch.x.device):
            said = model(batch.x, batch.timestep, batch.told)
        return ((1 / batch.a.square()).clamp(max=HEAVIEST) * (said - batch.eps).square()).mean()

    return of_step


def taught(model: Listener, data: Material, alphas_cumprod: Tensor, teacher: nn.Module) -> Callable[[int, torch.Generator], Tensor]:
    """The loss of one step: squared error of each cross-attention's answer over the variance of the teacher's, mean over layers."""
    draw = batches_of(data, alphas_cumprod)

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        batch = draw(generator)
        with torch.no_grad(), overheard(teacher) as answers:
            teacher(batch.x, batch.timestep, data.english[batch.english])
        with attention(batch.x.device):
            words = model.words(batch.told)
            errors = [
                (layer(question, encoder_hidden_states=words) - answer).square().mean() / answer.var(0).mean()
                for layer, (question, answer) in zip(cross_attentions(model.unet), answers, strict=True)
            ]
        return torch.stack(errors).mean()

    return of_step


def cross_attentions(unet: nn.Module) -> list[nn.Module]:
    return [part for name, part in unet.named_modules() if name.endswith("attn2")]


@contextmanager
def overheard(unet: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """What each cross-attention is asked and answers inside the block, in the order of `cross_attentions`."""
    layers = cross_attentions(unet)
    heard: list[Any] = [None] * len(layers)

    def keep(k: int):
        def hook(layer, given, named, answer):
            heard[k] = (given[0], answer)

        return hook

    hooks = [layer.register_forward_hook(keep(k), with_kwargs=True) for k, layer in enumerate(layers)]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def pipeline() -> StableDiffusionPipeline:
    """The pipeline that every arm starts from, with a solver that needs few steps."""
    pipe = zoo.load(BASE)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    return pipe


def listener(pipe: StableDiffusionPipeline, encoders: Sequence[str], seed: int) -> Listener:
    """The pipeline's own U-Net with projections of `encoders` that know nothing; `seed` is theirs."""
    torch.manual_seed(seed)
    return Listener(pipe.unet, {name: width(name) for name in encoders})


def width(name: str) -> int:
    return embeddings().shape[1] if name == PICTURE else reader(name)(["a"])[0].shape[-1]


def train(
    encoders: Sequence[str], seed: int, images: int = IMAGES, languages: Sequence[str] = LANGUAGES, teach: bool = True
) -> tuple[StableDiffusionPipeline, Listener, list]:
    """Train one arm; its pipeline, the listener with averaged weights and the curve [[images, loss]]. Resumes where it was killed.

    `teach`: by what the untouched U-Net hears in the English caption, else by the noise.
    """
    pipe = pipeline()
    data = material(encoders, pipe.vae, languages)
    teacher = copy.deepcopy(pipe.unet).requires_grad_(False).eval()
    model = listener(pipe, encoders, seed)
    average = copy.deepcopy(model).requires_grad_(False)
    plan = Plan(images=images, batch=BATCH, rate=RATE, warmup=30, average=0.99, seed=seed)
    curve, losses = [], []
    weights = [weights_hash(WEIGHTS / name) for name in (BASE, "clip", *encoders) if name != PICTURE]
    kept = store("listening", f"{fingerprint(encoders, languages, teach, plan, source_hash(*MODULES), weights)[:24]}.pt")
    levels = pipe.scheduler.alphas_cumprod
    loss = taught(model, data, levels, teacher) if teach else untaught(model, data, levels)
    for progress in fit(model, average, loss, plan, kept):
        losses.append(progress.loss)
        if progress.step % max(1, plan.steps // 20) == 0:
            curve.append([progress.images, round(sum(losses) / len(losses), 4)])
            losses.clear()
    model.load_state_dict(average.state_dict())
    return pipe, model.eval(), curve


def ship(model: Listener, folder: Path, record: Mapping[str, Any]) -> Path:
    """What was trained, in half precision, and how; the rest of the U-Net is that of BASE."""
    with atomic_folder(folder) as scratch:
        save_file({name: p.half().contiguous() for name, p in model.trained().items()}, scratch / "listener.safetensors")
        write_json(scratch / "training.json", dict(record))
    return folder


def load(folder: Path, encoders: Sequence[str]) -> tuple[StableDiffusionPipeline, Listener]:
    """The shipped arm in `folder` with the pipeline that draws with it."""
    pipe = pipeline()
    model = listener(pipe, encoders, 0)
    state = {name: p.float() for name, p in load_file(folder / "listener.safetensors").items()}
    missing = [name for name in model.load_state_dict(state, strict=False).missing_keys if name in model.trained()]
    if missing:
        raise ValueError(f"{folder.name} lacks {missing[0]}: it was trained on other encoders than {', '.join(encoders)}")
    return pipe, model.eval()


def told(encoders: Sequence[str], texts: Sequence[str]) -> Told:
    """What each encoder says of `texts`."""
    return {name: reader(name)(texts)[:2] for name in encoders}


@torch.inference_mode()
def draw(
    pipe: StableDiffusionPipeline, model: Listener, wanted: Sequence[Prompt], heard: Told, empty: Told, seed: int = 0, batch: int = 20, **call: Any
) -> Tensor:
    """Pictures uint8 [N,3,H,W] of what is `heard` of each of `wanted`; `empty` is what one hears of nothing. Noise is that of the prompt."""
    drawn, first = [], 0
    for group in batches(wanted, batch):
        part = {name: (s[first : first + len(group)], m[first : first + len(group)]) for name, (s, m) in heard.items()}
        none = {n: wider(*empty[n], part[n][1].shape[1]) for n in part}
        none = {n: (s.expand(len(group), *s.shape[1:]), m.expand(len(group), -1)) for n, (s, m) in none.items()}
        noise = [generator(p.id, seed) for p in group]
        words = dict(prompt_embeds=model.words(part), negative_prompt_embeds=model.words(none))
        made = pipe(**words, generator=noise, output_type="pt", **CALL | call).images
        drawn.append((made.float().clamp(0, 1) * 255).round().to(torch.uint8))
        first += len(group)
    return torch.cat(drawn)


def silence(encoders: Sequence[str]) -> Told:
    """What one hears of nothing: the empty caption, or no picture."""
    dimension = embeddings().shape[1] if PICTURE in encoders else 0
    nothing = (torch.zeros(1, 1, dimension), torch.zeros(1, 1, dtype=torch.bool))
    return {name: nothing if name == PICTURE else reader(name)([""])[:2] for name in encoders}

