"""GPUs by memory: which released model fits, and the least time that an image can take there.

The roofline (Williams et al. 2009): a forward pass takes at least its operations at the peak of the tensor cores, and at
least as long as reading its weights once takes; whichever is longer. Nothing real is faster, so a measured time says by how
much it could be.
"""

from __future__ import annotations

from typing import NamedTuple

from experiments.models import cards

RESERVE = 0.94  # share of the memory that a process can use: the driver, the context and fragments take the rest
FITS, OFFLOADED, QUANTISED, TOO_LARGE = "fits", "offload", "4 bits", "no"
GRADES = (FITS, OFFLOADED, QUANTISED, TOO_LARGE)


class Machine(NamedTuple):
    """One GPU of a class: 10^9 bytes of memory, 10^12 dense bf16 operations a second, 10^9 bytes a second, and who says so."""

    memory: int
    name: str = ""
    peak: float | None = None
    bandwidth: float | None = None
    source: str = ""


TORCH = "torch 2.13, torch/_inductor/analysis/device_info.py, from NVIDIA's data sheet (half of its figure with sparsity)"
MACHINES = (
    Machine(8),
    Machine(12),
    Machine(16),
    Machine(24, "RTX 4090", 165.2, 1008, "https://waredb.com/processor/nvidia-geforce-rtx-4090"),
    Machine(48, "L40S", 362.0, 864, "https://www.mullet.se/product.html?product_id=355414"),
    Machine(80, "H100 SXM", 989.5, 3350, TORCH),
    Machine(141, "H200 SXM", 989.5, 4800, "as the H100, with the memory of https://aiwiki.ai/wiki/nvidia_h200"),
)


def working(name: str) -> float:
    """10^9 bytes that the largest forward pass of a picture holds beside weights, in bf16: counted on `meta`, not measured.

    With classifier-free guidance the denoiser draws two at once, with and without the prompt.
    """
    rows, main = cards.counted()[name], cards.denoiser(name)
    at_once = 2 if rows[main]["runs"] >= 2 * cards.card(name)["defaults"]["steps"] else 1
    return max(row["working"] * (at_once if part == main else 1) for part, row in rows.items())


def needs(name: str) -> dict[str, float]:
    """10^9 bytes on the GPU for each way of running: all parts there in bf16, one at a time, one at a time in 4 bits."""
    parts, quarter = cards.gigabytes(name), cards.gigabytes(name, "4 bits")
    space = working(name)
    return {
        FITS: sum(parts.values()) + space,
        OFFLOADED: max(parts.values()) + space,
        QUANTISED: max(quarter.values()) + space,
    }


def grade(name: str, memory: float) -> str:
    """How a released model runs on a GPU of `memory` 10^9 bytes: the first of `GRADES` whose need fits."""
    return next((way for way, need in needs(name).items() if need <= RESERVE * memory), TOO_LARGE)


def seconds(name: str, machine: Machine) -> float | None:
    """The least time of one image with the default call, batch 1, bf16; None where peak and bandwidth are not known."""
    if machine.peak is None or machine.bandwidth is None:
        return None
    weights = cards.gigabytes(name)
    return sum(
        row["runs"] * max(row["gigaflops"] / (machine.peak * 1e3), weights[part] / machine.bandwidth)
        for part, row in cards.counted()[name].items()
    )
