"""One U-Net that hears through frozen encoders of different kinds: one, several side by side, or the embedding of a picture.

As in Hunyuan-DiT (arXiv:2405.08748 and `HunyuanDiT2DModel`), each encoder's states are projected to the width of the
cross-attention, padding is replaced by a vector that is learned, and several encoders stand one after the other in the sequence.
As in Kandinsky 2 (arXiv:2310.03502), the embedding of a picture becomes a few tokens of the same sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from experiments.models.pipelines import parts, text_parts
from experiments.models.zoo import WEIGHTS

PICTURE, TOKENS = "picture", 4  # what a picture's embedding is called among what is heard, and how many tokens it becomes
ARMS = {
    "English CLIP": ("clip",),
    "bilingual CLIP": ("clip-bilingual",),
    "mT5": ("mt5",),
    "bilingual CLIP + mT5": ("clip-bilingual", "mt5"),
    "multilingual CLIP": ("clip-multilingual",),
}
ENCODERS = ("clip", "clip-bilingual", "mt5", "clip-multilingual")
READS = {"clip": ("en",), "clip-bilingual": ("en", "zh"), "mt5": ("en", "zh", "vi"), "clip-multilingual": ("en", "zh", "vi")}

Told = Mapping[str, tuple[Tensor, Tensor]]  # of each encoder states [B,L,D], and [B,L] where they are not padding


@dataclass(frozen=True)
class Reader:
    """A frozen encoder with its tokenizer. `states` go to cross-attention; `sentence` is one vector for a text."""

    name: str
    model: nn.Module
    tokenizer: object

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """States [N,L,D], mask [N,L] and sentences [N,D'], padded to the longest of `texts`.

        A multilingual CLIP's sentence, which is in the space of CLIP's embeddings, stands first among its states, as Kandinsky 2.1's
        U-Net hears both.
        """
        found = [self._read(list(texts[i : i + 256])) for i in range(0, len(texts), 256)]
        longest = max(mask.shape[1] for _, mask, _ in found)
        states = [nn.functional.pad(s, (0, 0, 0, longest - s.shape[1])) for s, _, _ in found]
        masks = [nn.functional.pad(m, (0, longest - m.shape[1])) for _, m, _ in found]
        return torch.cat(states), torch.cat(masks), torch.cat([sentence for _, _, sentence in found])

    def _read(self, texts: list[str]) -> tuple[Tensor, Tensor, Tensor]:
        given = self.tokenizer(texts, padding="longest", truncation=True, return_tensors="pt")
        ids, mask = given["input_ids"], given["attention_mask"].bool()
        if self.name == "clip":
            said = self.model(ids)
            return said.last_hidden_state, mask, said.text_embeds
        if self.name == "clip-multilingual":
            sentence, states = self.model(ids, attention_mask=mask.long())
            first = nn.functional.pad(sentence, (0, states.shape[-1] - sentence.shape[-1]))
            return torch.cat([first[:, None], states], 1), nn.functional.pad(mask, (1, 0), value=True), sentence
        states = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        if self.name == "clip-bilingual":
            return states, mask, states[:, 0]
        return states, mask, (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


@lru_cache(maxsize=8)
def reader(name: str, weights: Path = WEIGHTS) -> Reader:
    """One of ENCODERS. Raises ValueError for another name, and OSError where it is not trained."""
    if name not in ENCODERS:
        raise ValueError(f"no encoder {name!r}: there are {', '.join(ENCODERS)}")
    if name == "clip":
        return Reader(name, parts.projected_tower(weights, "clip").eval(), CLIPTokenizer.from_pretrained(weights / "clip"))
    if name == "mt5":
        return Reader(name, text_parts.t5(weights, name), text_parts.t5_tokenizer(weights, name))
    return Reader(name, *(text_parts.bert if name == "clip-bilingual" else text_parts.multilingual)(weights))


class Listener(nn.Module):
    """A U-Net of which only the cross-attention is trained, with the projections of what it hears. widths: of each encoder's states."""

    def __init__(self, unet: nn.Module, widths: Mapping[str, int]):
        super().__init__()
        self.unet = unet.requires_grad_(False)
        width = unet.config.cross_attention_dim
        makes = {name: width * (TOKENS if name == PICTURE else 1) for name in widths}
        self.projections = nn.ModuleDict({n: nn.Sequential(nn.LayerNorm(w), nn.Linear(w, makes[n])) for n, w in widths.items()})
        self.padding = nn.ParameterDict({name: torch.zeros(width) for name in widths})
        for name, part in unet.named_modules():
            if name.endswith("attn2"):
                part.requires_grad_(True)

    def words(self, told: Told) -> Tensor:
        """The sequence [B,L,D] for cross-attention."""
        return torch.cat([self._projected(name, *told[name]) for name in self.projections], 1)

    def _projected(self, name: str, states: Tensor, mask: Tensor) -> Tensor:
        made = self.projections[name](states)
        if name == PICTURE:
            made, mask = made.view(len(made), TOKENS, -1), mask.expand(-1, TOKENS)
        return torch.where(mask[..., None], made, self.padding[name])

    def forward(self, x: Tensor, timestep: Tensor, told: Told) -> Tensor:
        return self.unet(x, timestep, self.words(told)).sample

    def trained(self) -> dict[str, Tensor]:
        """What was trained, by name: all that ships of it."""
        return {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}


def picture(embedding: Tensor) -> tuple[Tensor, Tensor]:
    """What is heard of standardised embeddings [B,D] of pictures."""
    return embedding[:, None], torch.ones(len(embedding), 1, dtype=torch.bool)
