"""What text encoders learn from text alone (T5, mT5, language model) and from CLIP's own towers (bilingual, multilingual)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

HIDDEN, SPAN = 0.15, 3  # share of tokens left out, mean length of what is left out together (arXiv:1910.10683, 3.1.4)
NOT_ASKED = -100  # a label that no loss counts


def cut_spans(words: Sequence[int], draws: Sequence[float], sentinels: Sequence[int]) -> tuple[list[int], list[int]]:
    """Span corruption of one text (Raffel et al. 2020, arXiv:1910.10683): what is left, and what was left out.

    `words` hold no end mark; `draws` are uniform numbers, one more than sentinels, that place the spans. The spans are as
    long as each other, to one token; each is replaced by a sentinel, and the second list names it before its words.
    """
    hidden = max(1, round(HIDDEN * len(words)))
    count = min(max(1, round(hidden / SPAN)), len(sentinels), len(words) - hidden + 1)
    lengths = [hidden // count + (k < hidden % count) for k in range(count)]
    kept = len(words) - hidden
    starts = sorted(int(d * (kept + 1)) for d in draws[:count])  # after how many kept words each span stands
    left, out, at, seen = [], [], 0, 0
    for start, length, sentinel in zip(starts, lengths, sentinels):
        left += [*words[at : at + start - seen], sentinel]
        at, seen = at + start - seen, start
        out += [sentinel, *words[at : at + length]]
        at += length
    return [*left, *words[at:]], out


def corrupt(ids: torch.Tensor, pad: int, end: int, sentinels: Sequence[int], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and labels of a batch [B,L] of texts; labels hold NOT_ASKED where there is nothing to say."""
    draws = torch.rand(len(ids), len(sentinels), generator=generator).tolist()
    cut = [cut_spans([t for t in row if t not in (pad, end)] or [end], d, sentinels) for row, d in zip(ids.tolist(), draws)]
    return _square([[*left, end] for left, _ in cut], pad), _square([[*out, end] for _, out in cut], NOT_ASKED)


def _square(rows: list[list[int]], value: int) -> torch.Tensor:
    made = torch.full((len(rows), max(map(len, rows))), value)
    for at, row in enumerate(rows):
        made[at, : len(row)] = torch.tensor(row)
    return made


def span_logits(model, inputs: torch.Tensor, labels: torch.Tensor, pad: int) -> torch.Tensor:
    """What a T5 says at each place of `labels`, [B,L,V]."""
    return model(input_ids=inputs, attention_mask=(inputs != pad).long(), labels=labels).logits


def next_logits(model, ids: torch.Tensor, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a causal model says comes next, [B,L-1,V], and what does, NOT_ASKED after the end."""
    said = model(input_ids=ids, attention_mask=(ids != pad).long(), use_cache=False).logits[:, :-1]
    return said, ids[:, 1:].masked_fill(ids[:, 1:] == pad, NOT_ASKED)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over what is asked, in nats per token."""
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=NOT_ASKED)


def batch(ids: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Ids of captions drawn at random, without the padding that all of them share. ids: [N,S,L]."""
    at, style = torch.randint(len(ids), (size,), generator=generator), torch.randint(ids.shape[1], (size,), generator=generator)
    return ids[at, style]


def widen(ids: torch.Tensor, length: int, value: int) -> torch.Tensor:
    """`ids` [B,L] with more padding on the right (or less, where nothing but padding goes), [B, length]."""
    return torch.nn.functional.pad(ids, (0, length - ids.shape[1]), value=value)


def trim(ids: torch.Tensor, pad: int) -> torch.Tensor:
    """`ids` without the padding that all rows share."""
    return widen(ids, max(1, int((ids != pad).sum(1).max())), pad)


def span_corruption(model, ids: torch.Tensor, size: int, pad: int, end: int, sentinels: Sequence[int]):
    """The loss of one step of a T5: say what was left out."""

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        inputs, labels = corrupt(batch(ids, size, generator), pad, end, sentinels, generator)
        inputs, labels = inputs.to(model.device), labels.to(model.device)
        return cross_entropy(span_logits(model, inputs, labels, pad), labels)

    return of_step


def next_token(model, ids: torch.Tensor, size: int, pad: int):
    """The loss of one step of a language model: say what comes next."""

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        return cross_entropy(*next_logits(model, trim(batch(ids, size, generator), pad).to(model.device), pad))

    return of_step


def locked_image(model, pictures: torch.Tensor, ids: torch.Tensor, size: int, pad: int):
    """CLIP's symmetric cross-entropy with the picture tower frozen (Zhai et al. 2022, arXiv:2111.07991; so begins Chinese CLIP,
    arXiv:2211.01335). pictures: unit embeddings [N,D] of the scenes whose captions are `ids` [N,S,L]."""

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        at = torch.randperm(len(ids), generator=generator)[:size]
        style = torch.randint(ids.shape[1], (len(at),), generator=generator)
        text = F.normalize(model(trim(ids[at, style], pad).to(model.device)), dim=1)
        logits = model.logit_scale.clamp(max=4.6052).exp() * text.float() @ pictures[at].to(model.device).float().T
        right = torch.arange(len(at), device=model.device)
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2

    return of_step


def follow(model, teacher, own: torch.Tensor, others: torch.Tensor, size: int, pad: int):
    """Squared error against what CLIP's text tower says of the English caption of the same scene and style (multilingual CLIP,
    Carlsson et al. 2022). own: ids [N,S,L] of the teacher in English; others [N,K*S,L'] of the student, language after language."""
    styles = own.shape[1]

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        at = torch.randint(len(others), (size,), generator=generator)
        which = torch.randint(others.shape[1], (size,), generator=generator)
        with torch.no_grad():
            wanted = teacher(own[at, which % styles].to(model.device))
        return (model(trim(others[at, which], pad).to(model.device)).float() - wanted.float()).square().mean()

    return of_step
