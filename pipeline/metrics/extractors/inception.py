"""Inception: features and logits of images by the network that published FID, KID and Inception Scores come from.

In: weights as `inception_weights.py` finds them, images (N, C, H, W) uint8. Out: `Features`: 2,048 pooled activations
and 1,008 logits per image. The network was trained on photographs (ImageNet), so its scores mean something for faces
and little for digits. The protocol of a score names the weights by `InceptionWeights.sha256`. Importing this module
imports torchvision, which takes seconds: import it inside the function that needs it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.device import choose_device
from pipeline.metrics.extractors.inception_network import FEATURES, LOGITS, Inception
from pipeline.metrics.extractors.inception_weights import PUBLISHED, VARIABLE, InceptionWeights
from pipeline.metrics.features import Features
from pipeline.storage.images import Pixels

CPU_BATCH = 16  # measured: activations of more images leave the caches, and each image takes longer
GPU_BATCH = 128


def load_inception(weights: InceptionWeights) -> Inception:
    """Return the network with these weights, in evaluation mode, on the GPU if there is one.

    Raises `ValueError` for a file with other tensors than Inception's. Draws none of the caller's random numbers.
    """
    state = _read(weights.path)
    with torch.device("meta"):  # no memory and no random numbers for values that are replaced below
        network = Inception()
    _expect_tensors(weights.path, state, network.state_dict())
    network.load_state_dict(state, assign=True)
    network.float().eval().requires_grad_(False)
    network.to(choose_device(), memory_format=torch.channels_last)  # 1.4 times as fast on a CPU
    return network


@torch.no_grad()
def extract(network: Inception, pixels: Pixels) -> Features:
    """Return features (N, 2048) and logits (N, 1008), float32, of images (N, 1 or 3, H, W) uint8 of any size.

    Grey images become three equal channels. Features agree to about 1e-6 of their size for any size of batch. Raises
    `ValueError` for other shapes or types, `NotFiniteError` for values that are not finite.
    """
    _expect_images(pixels)
    features = np.empty((len(pixels), FEATURES), np.float32)
    logits = np.empty((len(pixels), LOGITS), np.float32)
    batch = GPU_BATCH if choose_device().type == "cuda" else CPU_BATCH
    with torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    ):  # with TF32 a GPU keeps 3 digits
        for start in range(0, len(pixels), batch):
            rows = slice(start, start + batch)
            outputs = network(torch.tensor(pixels[rows]).to(choose_device()))
            features[rows], logits[rows] = (values.cpu().numpy() for values in outputs)
    return Features(features, logits)


def _expect_images(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape:
        raise ValueError(
            f"found images of shape {pixels.shape} and type {pixels.dtype}, expected (N, C, H, W) uint8 with C 1 "
            "(grey) or 3 (RGB) and N, H and W at least 1 for the Inception extractor"
        )


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a readable safetensors file ({error}); {_remedy()}") from error


def _expect_tensors(path: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise one sentence unless names and shapes agree. Counters of training batches may differ."""
    wrong = [
        f"{name} {_shape(tensors.get(name))}, expected {_shape(expected.get(name))}"
        for name in dict.fromkeys([*expected, *tensors])
        if not name.endswith("num_batches_tracked") and _shape(tensors.get(name)) != _shape(expected.get(name))
    ]
    if wrong:
        others = f" and {len(wrong) - 1} more such differences" if len(wrong) > 1 else ""
        raise ValueError(f"{path}: not the weights of the FID Inception-v3: found {wrong[0]}{others}; {_remedy()}")


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"of shape {tuple(tensor.shape)}"


def _remedy() -> str:
    return f"set {VARIABLE} to {PUBLISHED.name} or a safetensors file with the same tensors, or unset it"
