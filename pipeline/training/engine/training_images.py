"""Training images: all images of a split in memory, from which steps take batches by index.

They are stored whole on the device if they fit. On a CPU they are already converted to the networks' range if that
takes little memory: converting each batch costs a fortieth of a small network's step. If they do not fit on a GPU, they
stay in the host's memory. Their batches are gathered into page-locked memory and copied while the GPU works. No
DataLoader is used.
"""

from __future__ import annotations

import logging
import warnings

import torch
from torch import Tensor

from pipeline.pixels import SYMMETRIC, ValueRange, to_network
from pipeline.storage.images import ImageFile

log = logging.getLogger(__name__)

CONVERTED_BYTES = 2**29  # float32 images up to this size are kept converted on a CPU
SHARE_OF_FREE_MEMORY = 0.5  # of a GPU's free memory, which the images may take


def pixel_tensor(split: ImageFile) -> Tensor:
    """Return a split's pixels (N, C, H, W) uint8 as a tensor that is a view of the file; never write to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(split.pixels)


class TrainingImages:
    """N images, (N, C, H, W) uint8, of which batches are taken by index."""

    def __init__(
        self,
        pixels: Tensor,
        device: torch.device,
        value_range: ValueRange = SYMMETRIC,
        *,
        resident: bool | None = None,
    ) -> None:
        """`resident` True stores the images on the device, False in the host's memory; None decides by free memory."""
        self.shape, self.device = pixels.shape[1:], device
        self.resident = _fits(pixels, device) if resident is None else resident
        self.count = len(pixels)
        flat = pixels.flatten(1).contiguous()
        self.pixels = flat.to(device) if self.resident else flat
        if self.resident and device.type == "cpu" and 4 * flat.numel() <= CONVERTED_BYTES:
            self.pixels = to_network(flat, value_range)
        self.staging: list[Tensor] = []  # two page-locked buffers in turn, so that a copy is never overwritten
        self.copied: list[torch.cuda.Event] = []
        self.turn = 0
        if not self.resident:
            log.info("%s images stream from the host's memory: they do not fit on the device", f"{len(pixels):,}")

    def stage(self, indices: Tensor) -> Tensor:
        """Return the input of `batch` for indices (M, B): the indices, or streamed pixels (M, B, C * H * W)."""
        return indices if self.resident else self._stream(indices.flatten()).view(*indices.shape, -1)

    def batch(self, staged: Tensor) -> Tensor:
        """Return staged images (M, B, C, H, W) on the device: uint8, or float32 in the value range if converted."""
        pixels = self.pixels.index_select(0, staged.flatten()) if self.resident else staged
        return pixels.view(*staged.shape[:2], *self.shape)

    def _stream(self, indices: Tensor) -> Tensor:
        on_cuda = self.device.type == "cuda"
        if not self.staging or self.staging[0].shape[0] != len(indices):
            shape = (len(indices), self.pixels.shape[1])
            self.staging = [torch.empty(shape, dtype=torch.uint8, pin_memory=on_cuda) for _ in range(2)]
            self.copied = [torch.cuda.Event() for _ in range(2)] if on_cuda else []  # type: ignore[no-untyped-call]
        self.turn = 1 - self.turn
        if on_cuda:
            self.copied[self.turn].synchronize()  # waits for the last copy from this buffer
        staged = torch.index_select(self.pixels, 0, indices, out=self.staging[self.turn])
        copied = staged.to(self.device, non_blocking=True) if on_cuda else staged.clone()
        if on_cuda:
            self.copied[self.turn].record()
        return copied


def _fits(pixels: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.numel() <= SHARE_OF_FREE_MEMORY * free
