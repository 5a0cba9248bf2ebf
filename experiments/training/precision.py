"""Which number format a device computes fastest in, asked of the device and not guessed from its name."""

from __future__ import annotations

import torch


def fast_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 where matrix units make it faster (CUDA from Ampere on, CPUs with AMX), else float32.

    On a CPU without AMX bfloat16 is emulated and about ten times *slower* than float32.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    if device.type == "cpu":
        return torch.bfloat16 if torch.backends.mkldnn.is_available() and torch.cpu._is_amx_tile_supported() else torch.float32
    return torch.float32


def autocast(device: torch.device | str) -> torch.autocast:
    """Mixed precision in `fast_dtype`; does nothing where that is float32."""
    device, dtype = torch.device(device), fast_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
