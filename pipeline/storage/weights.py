"""Weights: networks as safetensors files, no pickle. Member-stacked networks keep the member dimension first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.storage.atomic import umask_permissions
from pipeline.storage.verification import expect_readable


def save_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a network's parameters and buffers, each under its own name."""
    values = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with umask_permissions(path):
        save_file(values, path)


def load_weights(path: Path, network: nn.Module) -> None:
    """Read a network's parameters and buffers; names and shapes must agree exactly.

    The file is not compared with a manifest: take the path of an artefact's file from `Artefact.verified_path`.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: missing; train it again")
    expect_readable(path)
    try:
        network.load_state_dict(load_file(path), strict=True)
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not the weights of this network ({error}); train it again") from error
