"""Device: where networks run, chosen and named in one place for training, samples and metrics."""

from __future__ import annotations

import torch


def choose_device() -> torch.device:
    """CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def allow_tf32() -> None:
    """Let a GPU multiply float32 matrices in TF32 (10 bits of mantissa, sums in float32), several times as fast."""
    torch.set_float32_matmul_precision("high")


def device_name(device: torch.device) -> str:
    """What a person calls the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
