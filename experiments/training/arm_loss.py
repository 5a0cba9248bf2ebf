"""What every arm is trained on, with nothing drawn that depends on the arm.

The target is the velocity of the straight path, as for `mini-sd3`: its error weighs high noise, where a caption matters
most, more than that of noise prediction does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.models.ablations import Arm
from experiments.models.mechanisms import Text, says
from experiments.training import paths

BATCH = 16
FORGET = (
    0.1  # share of captions replaced by the empty one, for classifier-free guidance (arXiv:2207.12598, section 3.2)
)


@dataclass(frozen=True)
class Material:
    """What all arms learn from: codes of the scenes (mean and deviation [N,C,h,w]), for each scene the rows [N,styles]
    of its captions in `text`, and the empty caption."""

    mean: Tensor
    deviation: Tensor
    captions: Tensor
    text: Text
    empty: Text


def loss(arm: Arm, model: nn.Module, data: Material, batch: int = BATCH):
    """The loss of one step: squared error of the predicted velocity eps - x0, from the same draws for all arms."""
    draw = paths.straight()

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at = torch.randint(len(data.mean), (batch,), generator=generator)
        style = torch.randint(data.captions.shape[1], (batch,), generator=generator)
        forget = torch.rand(batch, generator=generator) < FORGET
        x0 = data.mean[at] + data.deviation[at] * torch.randn(data.mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(batch, generator)
        told = without(data.text[data.captions[at, style]], forget, data.empty)
        with torch.autocast(
            x0.device.type, enabled=False
        ):  # so narrow, half precision spends more on casts than it saves
            said = says(arm, model, time.a * x0 + time.s * eps, time.timestep, told, data.empty)
            return (said - (eps - x0)).square().mean()

    return of_step


def without(text: Text, forget: Tensor, empty: Text) -> Text:
    """`text` with the rows where `forget` [B] is true replaced by the empty caption, for classifier-free guidance."""
    return Text(
        torch.where(forget[:, None, None], empty.words, text.words),
        torch.where(forget[:, None], empty.sentence, text.sentence),
    )
