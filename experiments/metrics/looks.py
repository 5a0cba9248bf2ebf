"""Which words the pixels look at while a picture is drawn, in a U-Net's cross-attention or an MM-DiT's joint attention.

The weights are computed beside the network, from the queries and keys that it computes itself; its output is untouched.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Looks:
    """While open, gathers what each call of a denoiser looked at; `words()` is the mean over layers, heads and calls.

        with Looks(pipe) as looks:
            ...draw a batch...
        looks.words()  # [B,pixels,words]: share of its attention that each pixel gave each word

    Of a call with an empty caption beside the caption (guidance), the second half counts. Layers of other resolutions than
    the finest that looks at words are left out. In joint attention, pixels also look at pixels, so that words' shares sum to less than 1.
    """

    def __init__(self, pipe: Any, pixels: int = 64):
        self.denoiser = pipe.unet if getattr(pipe, "unet", None) is not None else pipe.transformer
        self.pixels, self.total, self.calls, self.hooks = pixels, None, 0, []

    def __enter__(self) -> Looks:
        for name, layer in self.denoiser.named_modules():
            if name.endswith("attn2") and hasattr(layer, "to_k"):
                self._watch(layer, [layer.to_q], [layer.to_k])
            elif name.endswith(".attn") and hasattr(layer, "add_k_proj"):
                self._watch(layer, [layer.norm_q or layer.to_q], [layer.norm_k or layer.to_k, layer.norm_added_k or layer.add_k_proj])
        return self

    def __exit__(self, *_: Any) -> None:
        for hook in self.hooks:
            hook.remove()

    def words(self) -> Tensor:
        """[B,pixels,words] since the last time; raises ValueError where nothing was drawn."""
        if self.total is None:
            raise ValueError(f"no layer looked at words from {self.pixels} pixels: draw a picture inside the `with` block, and give its number of latent pixels")
        found = self.total / self.calls
        self.total, self.calls = None, 0
        return found

    def _watch(self, layer: nn.Module, asking: list[nn.Module], answering: list[nn.Module]) -> None:
        seen: dict[str, list[Tensor]] = {"q": [], "k": []}
        for kind, parts in (("q", asking), ("k", answering)):
            for part in parts:
                self.hooks.append(part.register_forward_hook(lambda _, __, out, kind=kind: seen[kind].append(out.detach())))
        self.hooks.append(layer.register_forward_hook(lambda its, *_: self._add(its, seen)))

    @torch.no_grad()
    def _add(self, layer: nn.Module, seen: dict[str, list[Tensor]]) -> None:
        q, k = (torch.cat([_heads(part, layer.heads) for part in seen[kind]], 2).float() for kind in ("q", "k"))
        joint = len(seen["k"]) > 1
        seen["q"].clear(), seen["k"].clear()
        if q.shape[2] != self.pixels:
            return
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1).mean(1)
        words = weights[..., self.pixels :] if joint else weights
        words = words[len(words) // 2 :].cpu()
        self.total = words if self.total is None else self.total + words
        self.calls += 1


def _heads(part: Tensor, heads: int) -> Tensor:
    """[B,tokens,D] or [B,heads,tokens,d] to the latter."""
    return part if part.dim() == 4 else part.unflatten(-1, (heads, -1)).transpose(1, 2)


def place(tokenizer: Any, text: str, word: str) -> int:
    """Place of a word's last token in a caption, its start token counted. Raises ValueError for a word that is not in it."""
    ids, part = tokenizer(text)["input_ids"], tokenizer(word, add_special_tokens=False)["input_ids"]
    found = [i for i in range(len(ids)) if ids[i : i + len(part)] == part]
    if not found:
        raise ValueError(f"{word!r} is no word of {text!r}")
    return found[0] + len(part) - 1
