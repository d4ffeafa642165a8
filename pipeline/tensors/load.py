"""Load: a data set's splits as memory-mapped pixels and labels.

Out: `ImageFile` with `pixels` (N, C, H, W) uint8 in 0..255 and `columns["label"]` (N,) int64, or
`columns["attributes"]` (N, K) uint8, or neither, by `TensorsDetails.labels`.
`network_images` gives the same pixels as float32 in [-1, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.storage.artefact import Artefact, require_artefact
from pipeline.storage.images import ImageFile, read_images
from pipeline.storage.paths import Paths

if TYPE_CHECKING:
    from torch import Tensor


def require_tensors(paths: Paths, dataset: str) -> Artefact:
    """Return the tensors artefact of a data set, or raise one sentence with the command that makes it."""
    return require_artefact(paths.tensors(dataset), "tensors", f"{dataset}/tensors")


def load_split(tensors: Artefact, split: str) -> ImageFile:
    """Check the split "train" or "test" against the manifest and return it memory-mapped."""
    return read_images(tensors.verified_path(f"{split}.arrow"))


def network_images(split: ImageFile, first: int | None = None) -> Tensor:
    """Return a split's images, or its first `first` ones, as networks get them: (N, C, H, W) float32 in [-1, 1]."""
    import torch

    from pipeline.pixels import to_network

    return to_network(torch.tensor(split.pixels[:first]))
