"""A pipeline's three stages taken apart, without a line of its arithmetic: words, denoising, decoding.

Each text encoder is replaced by one that remembers what it said (`Remembered`), the decoder by one that keeps what it
is given for later (`Deferred`). The pipeline's own call then does the rest as it always does, so this fits any pipeline
of diffusers, and what it draws is what that pipeline draws. Words are encoded once per distinct prompt and the encoders
let go before the first step; decoding can run beside the next batch's denoising.

Each row is encoded alone. What a prompt becomes therefore does not depend on which other prompts a worker has, to the
last bit.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.transformers.prior_transformer import PriorTransformerOutput
from torch import Tensor, nn


class Reached(Exception):
    """The denoiser was about to run, so all words are encoded."""


# ---- words -----------------------------------------------------------------------------------------------------------


class Row:
    """What an encoder said to one prompt: the parts that the pipeline looked at, on the CPU."""

    def __init__(self, output: Any):
        self.output = output  # let go by `settle`
        self.length = len(output)
        self.parts: dict[tuple, Tensor] = {}

    def get(self, path: tuple) -> Any:
        if path not in self.parts:
            if self.output is None:
                inner = any(known[: len(path)] == path for known in self.parts)
                return () if inner else None
            value = self.output
            for step in path:
                value = getattr(value, step) if isinstance(step, str) and hasattr(value, step) else value[step]
            if not torch.is_tensor(value):
                return value
            self.parts[path] = value.detach().cpu()
        return self.parts[path]

    @property
    def bytes(self) -> int:
        return sum(part.nbytes for part in self.parts.values())


class Answer:
    """The output of an encoder for several rows, put together when it is looked at, as `out[0]` or `out.hidden_states[-2]`."""

    def __init__(self, rows: Sequence[Row], device: torch.device, path: tuple = ()):
        self._rows, self._device, self._path = rows, device, path

    def __getitem__(self, step: Any) -> Any:
        path = (*self._path, step)
        found = [row.get(path) for row in self._rows]
        if torch.is_tensor(found[0]):
            return torch.cat(found).to(self._device)
        return None if found[0] is None else Answer(self._rows, self._device, path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self._rows[0].length))


class Remembered:
    """Stands in for the encoder `module`: rows it has met are answered from memory, others by the module, one by one."""

    def __init__(self, module: nn.Module):
        self.module: nn.Module | None = module
        self.config, self.dtype = module.config, module.dtype
        self.rows: dict[bytes, Row] = {}
        self.calls = 0

    @property
    def device(self) -> torch.device:
        return self.module.device if self.module is not None else torch.device("cpu")

    def modules(self) -> Iterator[nn.Module]:
        """None: diffusers looks here for hooks of offloading."""
        return iter(())

    def __call__(self, *given: Any, **named: Any) -> Answer:
        arguments = dict(enumerate(given)) | named
        first = next(value for value in arguments.values() if torch.is_tensor(value))
        rows = [self._row({key: _part(value, i, len(first)) for key, value in arguments.items()}) for i in range(len(first))]
        return Answer(rows, first.device)

    def _row(self, arguments: Mapping[Any, Any]) -> Row:
        key = _digest(arguments)
        if key not in self.rows:
            if self.module is None:
                raise LookupError("a prompt was not encoded before the encoders were let go")
            moved = {name: value.to(self.device) if torch.is_tensor(value) else value for name, value in arguments.items()}
            given = [moved.pop(i) for i in range(len(moved)) if i in moved]
            self.rows[key] = Row(self.module(*given, **moved))
            self.calls += 1
        return self.rows[key]

    def settle(self) -> None:
        """Keep of each row what the pipeline looked at."""
        for row in self.rows.values():
            row.output = None


def _part(value: Any, i: int, size: int) -> Any:
    return value[i : i + 1] if torch.is_tensor(value) and value.ndim and len(value) == size else value


def _digest(arguments: Mapping[Any, Any]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, value in arguments.items():
        digest.update(f"{name}=".encode())
        digest.update(value.cpu().numpy().tobytes() if torch.is_tensor(value) else repr(value).encode())
    return digest.digest()


# ---- decoding --------------------------------------------------------------------------------------------------------


class Caught(NamedTuple):
    """What a decoder was asked: latents as it takes them, and the other arguments of its `decode`."""

    latents: Tensor
    options: dict[str, Any]


class Deferred:
    """Stands in for a decoder: `decode` keeps its arguments and returns small blanks, which nobody looks at."""

    def __init__(self, decoder: nn.Module):
        self._decoder = decoder
        self.caught: Caught | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def to(self, *_: Any, **__: Any) -> Deferred:
        """The decoder stays where and what it is: another thread may be using it."""
        return self

    def decode(self, latents: Tensor, return_dict: bool = True, generator: Any = None, **options: Any) -> Any:
        self.caught = Caught(latents, options)
        blank = torch.zeros(len(latents), 3, 8, 8)
        return DecoderOutput(sample=blank) if return_dict else (blank,)


# ---- a pipeline in stages --------------------------------------------------------------------------------------------


class Staged:
    """A loaded pipeline taken apart: `encode` prompts, `release` the encoders, then `denoise` and `decode` batches."""

    def __init__(self, pipeline: DiffusionPipeline, device: str | torch.device = "cpu"):
        self.pipeline, self.device = pipeline, torch.device(device)
        self.inner = [getattr(pipeline, name) for name in ("prior_pipe", "decoder_pipe") if hasattr(pipeline, name)] or [pipeline]
        last = self.inner[-1]
        self.checked = copy.copy(last) if getattr(last, "safety_checker", None) is not None else None
        self.encoders: dict[int, Remembered] = {}
        for one in self.inner:
            self._replace_encoders(one)
        name = "movq" if hasattr(last, "movq") else "vae"
        self.decoder = getattr(last, name)
        self._widen_decoder()
        self.deferred = Deferred(self.decoder)
        setattr(last, name, self.deferred)
        if self.checked is not None:
            last.safety_checker = None  # asked when the picture is decoded
        self.denoisers = [module for one in self.inner for module in (_denoiser(one),) if module is not None]
        for module in self.denoisers:
            if hasattr(module, "down_blocks"):  # a U-Net: convolutions are faster with channels last
                module.to(memory_format=torch.channels_last)

    def _replace_encoders(self, pipeline: DiffusionPipeline) -> None:
        for name, module in pipeline.components.items():
            if isinstance(module, nn.Module) and re.search("(text|image)_encoder", name):
                stand_in = self.encoders.setdefault(id(module), Remembered(module))
                setattr(pipeline, name, stand_in)

    def _widen_decoder(self) -> None:
        """A decoder that overflows in half precision (SDXL's) says so in its config; diffusers widens it at each call."""
        overflows = hasattr(self.pipeline, "upcast_vae") and getattr(self.decoder.config, "force_upcast", False)
        if overflows and self.decoder.dtype == torch.float16:
            self.decoder.to(torch.float32)

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str], **call: Any) -> None:
        """Have every encoder meet `prompts` (and what the pipeline adds, such as the empty prompt); nothing is drawn."""
        if self.device.type != "cpu":
            for module in self.denoisers:
                module.to("cpu")  # both together may not fit
        for encoder in self._held():
            encoder.module.to(self.device)
        with self._stopped(), contextlib.suppress(Reached):
            noise = [torch.Generator().manual_seed(0) for _ in prompts]
            self.pipeline(prompt=list(prompts), generator=noise, **call)
        for encoder in self.encoders.values():
            encoder.settle()

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        """Inside, the last denoiser raises Reached; a prior before it predicts zeros, so that what follows is reached too."""
        *priors, last = self.denoisers
        compiled = [module._compiled_call_impl for module in self.denoisers]
        for module in self.denoisers:
            module._compiled_call_impl = None
        for prior in priors:
            prior.forward = _zeros
        last.forward = _reached
        try:
            yield
        finally:
            for module, before in zip(self.denoisers, compiled):
                del module.forward
                module._compiled_call_impl = before

    def _held(self) -> list[Remembered]:
        return [encoder for encoder in self.encoders.values() if encoder.module is not None]

    def release(self, keep: bool = False) -> None:
        """Take the encoders from the device, for good unless `keep`, and put the other parts on it."""
        for encoder in self._held():
            encoder.module.to("cpu")
            if not keep:
                encoder.module = None
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
        for module in (*self.denoisers, self.decoder, *([self.checked.safety_checker] if self.checked else [])):
            module.to(self.device)

    def forget(self) -> None:
        """Let go of all remembered words."""
        for encoder in self.encoders.values():
            encoder.rows.clear()

    @property
    def bytes(self) -> int:
        """Bytes of remembered words."""
        return sum(row.bytes for encoder in self.encoders.values() for row in encoder.rows.values())

    @torch.inference_mode()
    def denoise(self, prompts: Sequence[str], noise: Sequence[torch.Generator], **call: Any) -> Caught:
        """Latents of `prompts` as the decoder takes them."""
        self.pipeline(prompt=list(prompts), generator=list(noise), **call)
        caught, self.deferred.caught = self.deferred.caught, None
        return caught

    @torch.inference_mode()
    def decode(self, caught: Caught, size: int | None = None) -> tuple[Tensor, list[bool] | None]:
        """Pictures [N,3,H,W] in [0, 1] if finite (not yet cut to it), and whether the safety checker replaced each.

        None instead of the list where the release has no checker, or it does not say. At most `size` are decoded at once.
        """
        latents = caught.latents.to(self.decoder.dtype)
        parts = latents.split(size or len(latents))
        drawn = torch.cat([self.decoder.decode(part, return_dict=False, **caught.options)[0] for part in parts])
        if self.checked is None:
            return drawn * 0.5 + 0.5, None
        shown, flagged = self.checked.run_safety_checker(drawn, self.device, self.checked.safety_checker.dtype)
        shown = shown * 0.5 + 0.5
        for i, replaced in enumerate(flagged or ()):
            if replaced:
                shown[i] = 0  # as the pipeline shows it: black
        return shown, flagged


def _denoiser(pipeline: DiffusionPipeline) -> nn.Module | None:
    return next((part for name in ("transformer", "unet", "prior") if (part := getattr(pipeline, name, None)) is not None), None)


def _reached(*_: Any, **__: Any) -> None:
    raise Reached


def _zeros(latents: Tensor, *_: Any, **__: Any) -> PriorTransformerOutput:
    return PriorTransformerOutput(torch.zeros_like(latents))
