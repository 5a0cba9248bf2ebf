"""Two stages against one: the prior by itself, and one U-Net that hears a caption, the embedding of a picture, or both."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.data.prompts import Prompt, Requirement, Wanted, prompts, text
from experiments.data.scenes import Scene
from experiments.metrics import listening_scores as scores
from experiments.metrics.alignment import check, evaluate
from experiments.metrics.diversity import spread
from experiments.metrics.features import extract, network
from experiments.models.listeners import PICTURE, picture
from experiments.models.zoo import WEIGHTS
from experiments.studies.study import Study
from experiments.training import listening, priors
from experiments.training.autoencoder import to_tensor

SEEDS, N, ASKED, HELD_OUT, IMAGES = (0, 1, 2), 56, 256, 1000, 19_200
ARMS = {"caption": ("clip",), "embedding": (PICTURE,), "embedding and caption": (PICTURE, "clip")}
WAYS = ("true", "drawn", "mean", "linear", "text")  # where the embedding comes from
WAYS_OF = {"caption": ("caption",), "embedding": WAYS, "embedding and caption": WAYS[:3]}
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the second text in a mixture
PAIRS = ((Wanted("cube", "red"), Wanted("sphere", "blue")), (Wanted("cone", "yellow"), Wanted("cylinder", "cyan")))
FULLEST, REPEATED = 3, 4
FOLDER = WEIGHTS / "arms" / "listener-embedding-0"


@lru_cache(maxsize=1)
def prior():
    return priors.pipeline()


@lru_cache(maxsize=1)
def held_out() -> list[Scene]:
    return scenes("validation", 0, HELD_OUT)


@torch.no_grad()
def seen(split: str, which: list[int]) -> Tensor:
    """CLIP's embeddings [N,D] of held-out pictures."""
    known = images(split, 0, HELD_OUT)
    return torch.cat([prior().image_encoder(to_tensor(known[which[i : i + 100]])).image_embeds for i in range(0, len(which), 100)])


@lru_cache(maxsize=1)
def linear():
    """The least squares map from a caption's embedding to its picture's, learned from training scenes: the linear prior of the Kandinsky paper."""
    drawn = scenes("train", 0, 2000)
    texts = [caption(scene, "en", style) for style in (2, 3, 4) for scene in drawn]
    return scores.probe(priors.of_text(prior(), texts), listening.embeddings()[:2000].repeat(3, 1))


def embedding(way: str, wanted: list[Prompt], seed: int) -> Tensor:
    """An embedding [N,D] for each prompt, by one of WAYS; "true" is that of a held-out picture that answers the prompt."""
    texts, names = [p.text for p in wanted], [p.id for p in wanted]
    if way == "true":
        return seen("validation", [answer(p, k + seed) for k, p in enumerate(wanted)])
    if way == "drawn":
        return priors.drawn(prior(), texts, names, seed)
    if way == "mean":
        return priors.mean(prior(), texts, seed)
    told = priors.of_text(prior(), texts)
    return scores.mapped(linear(), told) if way == "linear" else told


@lru_cache(maxsize=None)
def _answers(wanted) -> tuple[int, ...]:
    fits = [i for i, scene in enumerate(held_out()) if check(wanted, scene.solids).ok]
    return tuple(i for i in fits if len(held_out()[i].solids) == len(wanted.solids)) or tuple(fits)


def answer(prompt: Prompt, k: int) -> int:
    """A held-out scene that answers the prompt, with no further solids where there is such a one."""
    found = _answers(prompt.wanted)
    if not found:
        raise ValueError(f"none of the first {HELD_OUT} validation scenes shows {prompt.text!r}: raise HELD_OUT")
    return found[k % len(found)]


def measure(what: str, seed: int) -> dict[str, Any]:
    return known() if what == "prior" else told(what, seed)


def known() -> dict[str, Any]:
    """The prior by itself: its embeddings against the true ones of held-out pictures, and how much they vary."""
    drawn = held_out()[:ASKED]
    true, centre = seen("validation", list(range(ASKED))), listening.embeddings().mean(0)
    found: dict[str, Any] = {}
    for style in (2, FULLEST):
        wanted = [Prompt(f"held-out/{i}", "", caption(scene, "en", style), None) for i, scene in enumerate(drawn)]
        for way in WAYS[1:]:
            z = embedding(way, wanted, 0)
            cosine = torch.cosine_similarity(z - centre, true - centre)
            found[f"{way}/{style}"] = {
                "cosine": [round(float(c), 3) for c in cosine],
                "nearest": scores.nearest(z - centre, true - centre),
                "error": round(float((listening.standardised(z) - listening.standardised(true)).square().mean()), 4),
            }
    return found | {"variety": variety()}


def variety(least: int = 12, most: int = 16, captions: int = 8) -> list[dict[str, Any]]:
    """For the short captions that most held-out pictures have: variance of their embeddings and of drawn ones, and how far apart the means are.

    In standard units, mean over dimensions.
    """
    same = defaultdict(list)
    for i, scene in enumerate(held_out()):
        same[caption(scene, "en", 2)].append(i)
    often = sorted((t for t, which in same.items() if len(which) >= least), key=lambda t: (-len(same[t]), t))[:captions]
    names = [(t, f"variety/{t}/{k}") for t in often for k in range(most)]
    made = listening.standardised(priors.drawn(prior(), *zip(*names), 0)).view(len(often), most, -1)
    rows = []
    for said, those in zip(often, made):
        true = listening.standardised(seen("validation", same[said][:most]))
        apart = round(float((true.mean(0) - those.mean(0)).square().mean()), 4)
        rows.append({"text": said, "pictures": len(true), "true": _variance(true), "drawn": _variance(those), "apart": apart})
    return rows


def _variance(x: Tensor) -> float:
    return round(float(x.var(0).mean()), 4)


def told(arm: str, seed: int) -> dict[str, Any]:
    """Train an arm on English captions, or embeddings, of the same scenes; what it draws right, by where the embedding comes from."""
    encoders, started = ARMS[arm], time.monotonic()
    pipe, model, curve = listening.train(encoders, seed, languages=("en",), images=IMAGES, teach=False)
    found: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1), "curve": curve, "drawn": {}, "spread": {}}
    if seed == 0 and arm == "embedding":
        listening.ship(model, FOLDER, {"recipe": FOLDER.name, "encoders": encoders, "seed": seed, "images_seen": IMAGES, "curve": curve})
    wanted, empty = scores.wishes(N), listening.silence(encoders)
    found["silent"] = scores.drawn(pipe, model, wanted, scores.nothing(encoders, len(wanted)), empty, seed)
    for way in WAYS_OF[arm]:
        found["drawn"][way] = scores.drawn(pipe, model, wanted, hears(encoders, wanted, way, seed), empty, seed)
    for way in ("drawn", "mean") if arm == "embedding" else ():
        found["spread"][way] = varied(pipe, model, encoders, way, seed)
    if arm == "embedding" and seed == 0:
        found["mixed"] = mixed(pipe, model, seed)
    return found


def hears(encoders, wanted: list[Prompt], way: str, seed: int):
    """What an arm hears of prompts."""
    words = listening.told([name for name in encoders if name != PICTURE], [p.text for p in wanted])
    return {PICTURE: picture(listening.standardised(embedding(way, wanted, seed)))} | words if PICTURE in encoders else words


def varied(pipe, model, encoders, way: str, seed: int) -> list[float]:
    """Variance among REPEATED pictures of each of six prompts, in the features of the checker; noise and drawn embeddings differ."""
    asked = prompts("test", "colours", 6)
    wanted = [Prompt(f"{p.id}/again-{k}", p.category, p.text, p.wanted) for k in range(REPEATED) for p in asked]
    pictures = listening.draw(pipe, model, wanted, hears(encoders, wanted, way, seed), listening.silence(encoders), seed)
    return [round(float(v), 4) for v in spread(extract(pictures, network()).view(REPEATED, len(asked), -1))]


def mixed(pipe, model, seed: int, n: int = 8) -> list[dict[str, Any]]:
    """Mixtures of two texts' drawn embeddings, as `KandinskyPriorPipeline.interpolate` adds them: which of the two is seen."""
    rows = []
    for pair in PAIRS:
        wanted = [Requirement((one,)) for one in pair]
        z = [priors.drawn(prior(), [text(w)] * n, [f"mix/{text(w)}/{k}" for k in range(n)], seed) for w in wanted]
        for share in SHARES:
            drawn = [Prompt(f"mix/{text(wanted[0])}/{k}", "", "", wanted[0]) for k in range(n)]
            heard = {PICTURE: picture(listening.standardised((1 - share) * z[0] + share * z[1]))}
            pictures = listening.draw(pipe, model, drawn, heard, listening.silence((PICTURE,)), seed)
            first, second = ([v.ok for v in evaluate([Prompt(p.id, "", "", w) for p in drawn], pictures)] for w in wanted)
            both = sum(a and b for a, b in zip(first, second))
            rows.append({"pair": [text(w) for w in wanted], "share": share, "first": sum(first), "second": sum(second), "both": both, "n": n})
    return rows


def _parts() -> Iterator[tuple[str, int]]:
    yield "prior", 0
    yield from ((arm, seed) for seed in SEEDS for arm in ARMS)


STUDY = Study(
    "two-stages",
    _parts,
    measure,
    (
        *("experiments.studies.two_stages", "experiments.training.priors", *listening.MODULES),
        *("experiments.metrics.listening_scores", "experiments.metrics.alignment"),
    ),
    (listening.BASE, "clip", "kandinsky-prior", "checker"),
    dict(seeds=list(SEEDS), n=N, asked=ASKED, images=IMAGES, batch=listening.BATCH, rate=listening.RATE, call=listening.CALL),
)
STUDIES = (STUDY,)
