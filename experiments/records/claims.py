"""The lecture's claims as data, and the only way in which one gets a verdict.

C01 to C46 are what the lecture states, in its order; E1 to E7 are where it disagrees with itself or with its sources.
Kinds: A is algebra or a definition (derived, and checked by a test), F a fact about a released model or data set
(computed or cited), M a thing that can be measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

HOLDS, FAILS, MIXED, UNTESTABLE = VERDICTS = ("holds", "does not hold", "mixed", "not testable here")


@dataclass(frozen=True)
class Claim:
    """One statement of the lecture."""

    id: str
    kind: str
    section: str
    statement: str


@dataclass(frozen=True)
class Erratum:
    """One place where the lecture disagrees with itself or with its sources; `claim` is the claim concerned."""

    id: str
    claim: str
    statement: str


_TEXT = {
    "Conditional diffusion": r"""
C01 A An unconditional model learns $P(x)$ with $\epsilon(x_t, t)$; a conditional one learns $P(x|y)$ with
  $\epsilon(x_t, t, y)$.
C02 M Common conditions are a class label, a text (text to image), and an image with a text (image to image, for
  example cat to dog).
""",
    "Conditioning mechanisms": r"""
C03 A/M Adaptive normalisation: $\text{out} = \gamma(y,t)\,(x-\mu)/\sigma + \beta(y,t)$; the condition is embedded,
  added to or concatenated with the embedding of $t$, and linear layers give scale and shift.
C04 A/M Beside self-attention, where pixels look at pixels, cross-attention lets pixels look at words to know what to
  draw.
""",
    "Guidance": r"""
C05 M Conditioning only reaches the network in training; in sampling the model averages and ignores details of the
  prompt, and guidance forces it towards regions that match the prompt.
C06 M Classifier guidance: two separate models work together in sampling.
C07 M Classifier-free guidance: no classifier; one model does both.
C08 M Guidance distillation, from teacher to student, repairs the speed of classifier-free guidance.
""",
    "Adapters": r"""
C09 F Adapters leave the base model alone and attach to it, in three groups: weight injection, feature injection,
  attention injection.
C10 A/M LoRA: $h = Wx + BAx$ with rank $r \ll m, n$. Full fine-tuning is costly in memory and redundant, for the real
  change lives in a low-dimensional space.
C11 A/M DoRA improves LoRA: $W = m\,V/\lVert V\rVert$.
C12 M ControlNet: zero convolutions give absolute control of structure without retraining the base.
C13 M ControlNet's input says what is at pixel $(x, y)$: edges, scribbles, depth, segmentation, pose; also data that
  are not images, such as audio as a spectrogram and text as typography.
C14 A/M IP-Adapter: $Z = \text{Attn}(Q, K_\text{text}, V_\text{text}) + \lambda\,\text{Attn}(Q, K_\text{img},
  V_\text{img})$.
C15 M Decoupled attention keeps the text knowledge untouched; training only $K_\text{img}, V_\text{img}$ converges
  faster than concatenating text and image in one softmax.
C16 M Because the sum is linear, $\lambda$ changes the weight of the image without touching the text; with
  concatenation that is harder.
C17 F Open branch: Stable Diffusion, FLUX, Hunyuan-DiT, Kandinsky. Closed branch: Midjourney, DALL-E, Imagen.
""",
    "The Stable Diffusion family": r"""
C18 F SD is a latent diffusion model. SD1.4: U-Net of 860M parameters, CLIP ViT-L/14, autoencoder with $f = 8$ (512 to
  64).
C19 F SD1.5 was trained 2.5 times longer than SD1.4.
C20 F SD2.0 and 2.1: OpenCLIP ViT-H/14; from predicting noise to predicting velocity.
C21 A Velocity: the forward process is a rotation by an angle $\phi$, and $v = dx/d\phi = \sqrt{a}\,\epsilon -
  \sqrt{1-a}\,x_0$.
C22 A/M As $t \to T$ and $a \to 0$, recovering $x_0$ from predicted noise divides by 0; from predicted velocity $x_0 =
  -v$.
C23 A $x_0 = \sqrt{a}\,x_t - \sqrt{1-a}\,v$ and $\epsilon = \sqrt{1-a}\,x_t + \sqrt{a}\,v$.
C24 F SDXL: the last and strongest use of the convolutional U-Net.
""",
    "Rectified flow, SD3, SD3.5": r"""
C25 F SD3: rectified flow; three text encoders at once (OpenCLIP ViT-G, CLIP ViT-L, T5-XXL); a multimodal diffusion
  transformer (MM-DiT) instead of the U-Net.
C26 M Diffusion paths $x_t = \cos(\phi)\,x_0 + \sin(\phi)\,\epsilon$ lie on a hypersphere: curved, so sampling is
  slow.
C27 A/M Rectified flow: $x_t = (1-t)\,x_0 + t\,\epsilon$ is straight.
C28 A $v = \epsilon - x_0$; sampling by $x_{s_1} = x_{s_2} + (s_2 - s_1)\,v(x_{s_2}, s_2)$, as the slide prints it.
C29 M One step would do in theory; $v$ is not constant, so several are needed, yet far fewer (1000 to 4).
C30 M Paths cross; stage 1 is 1-rectified flow, stage 2 is reflow.
C31 M SDXL's weakness is attribute bleeding, because text is processed locally and apart from the image.
C32 M MM-DiT's joint attention lets text and image see each other and themselves; text is refined layer by layer
  instead of staying frozen as in the U-Net.
C33 M SD3 forgot human anatomy because data filtering removed those images.
C34 M/F SD3.5: rebalanced data, QK normalisation.
""",
    "FLUX": r"""
C35 F FLUX is by the former Stability AI engineers; flow matching and a hybrid DiT.
C36 A/M Flow matching covers many methods: for any path it gives the velocity to train on; diffusion and straight
  paths are two cases.
C37 F FLUX.1: hybrid DiT of 12B parameters; CLIP ViT-L and T5-XXL.
C38 F FLUX.2 (25 November 2025): 32B parameters.
""",
    "Hunyuan-DiT and Kandinsky": r"""
C39 F/M Hunyuan-DiT: DiT; bilingual, with CLIP ViT-L/14 for English and mT5 for Chinese.
C40 F/M Kandinsky 2.1: two-stage latent diffusion; XLM-RoBERTa; MoVQ-GAN.
C41 F Kandinsky 3.0: U-Net of 11.9B parameters; Flan-UL2.
""",
    "InstaFlow": r"""
C42 M InstaFlow applies rectified flow to SD1.5 and forces its trajectory straight.
""",
    "Evaluation on MS-COCO": r"""
C43 F MS-COCO 2017 validation: 5000 images, 5 captions each (25,014 captions in all).
C44 F Metrics: FID (lower is better), CLIP score and aesthetic score (higher is better), mean inference time per
  image.
C45 M The table of seven models: FID from 146 (SD3.5) to 159 (Hunyuan-DiT), CLIP score from 27.76 to 28.54, aesthetic
  score from 5.34 to 5.84, time from 1.05 s to 36.65 s.
C46 M Three prompts shown side by side, the real image and the seven models, show how closely each follows its prompt.
""",
}

_ERRATA = r"""
E1 C21 The slide of C21 writes $x_t = \sin(\phi)\,x_0 + \cos(\phi)\,\epsilon$, whose derivative is not the velocity
  printed under it; the slide of C26 has cosine and sine the other way round, which is.
E2 C28 The printed sampling rule holds with $v = dx/dt$ and $s_1 < s_2$ only as $x_{s_1} = x_{s_2} + (s_1 - s_2)\,v$.
E3 C41 11.9B is the size of Kandinsky 3.0's whole pipeline, not of its U-Net.
E4 C20 Not every SD2 checkpoint predicts velocity.
E5 C45 FIDs near 150 are far from the published figures of the same models; a few hundred images would explain it.
E6 C42 Which Stable Diffusion version InstaFlow was distilled from.
E7 C19 What SD1.5 was resumed from, and for how many steps more.
"""


def _entries(text: str) -> list[list[str]]:
    """Number, second word and statement of each entry; an indented line goes on with the entry above it."""
    return [line.split(" ", 2) for line in text.strip().replace("\n  ", " ").splitlines()]


def _parse_claims() -> dict[str, Claim]:
    entries = [(section, entry) for section, text in _TEXT.items() for entry in _entries(text)]
    return {number: Claim(number, kind, section, said) for section, (number, kind, said) in entries}


def _parse_errata() -> dict[str, Erratum]:
    return {number: Erratum(number, claim, statement) for number, claim, statement in _entries(_ERRATA)}


CLAIMS: dict[str, Claim] = _parse_claims()
ERRATA: dict[str, Erratum] = _parse_errata()


def decide(low: float | None, high: float | None, threshold: float, direction: str = ">") -> str:
    """The verdict of the interval [low, high] on "the quantity is `direction` the threshold".

    "holds" when the whole interval is on the stated side, "does not hold" when all of it is on the other, "mixed" when
    it reaches across, "not testable here" without an interval. `direction` is ">" or "<"; touching the threshold is
    neither side. Raises `ValueError` for another direction or an interval that is upside down.
    """
    if direction not in (">", "<"):
        raise ValueError(f"direction must be '>' or '<', not {direction!r}")
    if any(bound is None or math.isnan(bound) for bound in (low, high)):
        return UNTESTABLE
    if low > high:
        raise ValueError(f"the interval [{low}, {high}] is upside down")
    above, below = low > threshold, high < threshold
    stated, opposite = (above, below) if direction == ">" else (below, above)
    return HOLDS if stated else FAILS if opposite else MIXED


def combine(verdicts: Iterable[str]) -> str:
    """One verdict from several that must all hold: the common one where they agree, otherwise "mixed".

    "not testable here" beside tested parts is "mixed"; no verdicts at all are "not testable here".
    """
    given = set(verdicts)
    unknown = given - set(VERDICTS)
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]!r} is no verdict; choose one of {', '.join(VERDICTS)}")
    if not given:
        return UNTESTABLE
    return given.pop() if len(given) == 1 else MIXED
