"""Inception network: the Inception-v3 of 2015-12-05 that published FID, KID and Inception Scores are computed with.

In: images (N, C, H, W) uint8. Out: 2,048 pooled features and 1,008 logits per image. Architecture: Szegedy et al. 2016,
arXiv 1512.00567; as the extractor of the FID: Heusel et al. 2017, arXiv 1706.08500, with the weights of the TensorFlow
graph `inception-2015-12-05`. That graph differs from torchvision's Inception-v3: it has 1,008 outputs, its average
pools leave out padding, the pool of its last block takes the maximum, and it resizes images as TensorFlow 1 did. The
blocks are torchvision's with these differences. Tensors have the names of the published PyTorch conversion of the
weights. This module reads no file.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import inception as torchvision_inception

INPUT_SIZE = 299
FEATURES = 2048
LOGITS = 1008  # 1,000 ImageNet classes, a background class, and seven that were never used


def resize_as_tensorflow_1(images: Tensor, size: int) -> Tensor:
    """Resize images (N, C, H, W) float32 to (N, C, size, size), as TensorFlow 1's `resize_bilinear` did by default.

    Output pixel i lies at input position i · in/out, without the half pixel that later versions, PyTorch and image
    libraries add. There is no smoothing before images become smaller. A published FID contains this resize.
    """
    return _resize_last_axis(_resize_last_axis(images, size).mT, size).mT


def _resize_last_axis(images: Tensor, size: int) -> Tensor:
    last = images.shape[-1] - 1
    position = torch.arange(size, device=images.device) * torch.tensor(images.shape[-1] / size, dtype=torch.float32)
    before = position.long()
    start, stop = images[..., before], images[..., (before + 1).clamp(max=last)]
    return start + (stop - start) * (position - before)


def _average_pool(x: Tensor) -> Tensor:
    """Return 3x3 averages without padding: of six pixels at an edge, of four in a corner."""
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


class BlockA(torchvision_inception.InceptionA):  # type: ignore[misc]  # torchvision has no types
    """torchvision's block A with averages that leave out padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Map activations (N, in, 35, 35) to (N, 224 + pool features, 35, 35)."""
        fives = self.branch5x5_2(self.branch5x5_1(x))
        threes = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), fives, threes, self.branch_pool(_average_pool(x))], 1)


class BlockC(torchvision_inception.InceptionC):  # type: ignore[misc]
    """torchvision's block C with averages that leave out padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Map activations (N, 768, 17, 17) to the same shape."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(_average_pool(x))], 1)


class BlockE(torchvision_inception.InceptionE):  # type: ignore[misc]
    """torchvision's block E with averages that leave out padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Map activations (N, in, 8, 8) to (N, 2048, 8, 8)."""
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [self.branch1x1(x), self.branch3x3_2a(single), self.branch3x3_2b(single)]
        branches += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(self._pool(x))]
        return torch.cat(branches, 1)

    def _pool(self, x: Tensor) -> Tensor:
        return _average_pool(x)


class LastBlockE(BlockE):
    """Block E with a maximum in place of the average: odd, but the graph of published scores has it."""

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)


class FeaturesAndLogits(nn.Linear):
    """The last layer, which returns its input features (N, 2048) and logits (N, 1008) without the bias.

    Published Inception Scores use logits without the bias ("unbiased" in torch-fidelity). The bias is among the weights
    and stays unused.
    """

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return features and logits, both float32."""
        return features, features @ self.weight.T


class Inception(torchvision_inception.Inception3):  # type: ignore[misc]
    """Inception-v3 of the graph of 2015-12-05. It is not for training: call it in evaluation mode."""

    def __init__(self) -> None:
        conv, aux = torchvision_inception.BasicConv2d, torchvision_inception.InceptionAux
        block_b, block_d = torchvision_inception.InceptionB, torchvision_inception.InceptionD
        super().__init__(
            num_classes=LOGITS,
            aux_logits=False,
            inception_blocks=[conv, BlockA, block_b, BlockC, block_d, BlockE, aux],
            init_weights=False,
            dropout=0.0,
        )
        self.Mixed_7c = LastBlockE(2048)
        self.fc = FeaturesAndLogits(FEATURES, LOGITS)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, 2048) at least 0 and logits (N, 1008), float32, of images (N, 1 or 3, H, W) uint8."""
        images = (resize_as_tensorflow_1(pixels.float(), INPUT_SIZE) - 128) / 128
        features, logits = super().forward(images.expand(-1, 3, -1, -1))
        return features, logits
