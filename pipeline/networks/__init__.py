"""Networks: member-stacked layers (`layers.py`) and one file an architecture, generator and discriminator together.

An architecture is a module of this package, named in a recipe by its file name. It defines LATENT_SIZE,
LATENT_DISTRIBUTION, VALUE_RANGE (of the images it draws), HAS_DROPOUT, WIDTH (the size that its layers are multiples
of) and the classes `Generator` and `Discriminator`, both made with (members, image shape (C, H, W), width). Every
tensor carries the members first: latents (M, B, Z) → images (M, B, C, H, W) → logits (M, B).
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from pipeline.networks.latents import Distribution
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.networks.stacked import Stacked
    from pipeline.pixels import ValueRange

ImageShape = tuple[int, int, int]  # C, H, W

NOT_ARCHITECTURES = {"convolution", "dropout", "latents", "layers", "normalisation", "stacked"}


class Architecture(Protocol):
    """What a module of this package defines. A shape of images it cannot draw is a `ValueError`."""

    LATENT_SIZE: int
    LATENT_DISTRIBUTION: Distribution
    VALUE_RANGE: ValueRange
    HAS_DROPOUT: bool
    WIDTH: int

    def Generator(self, members: int, image_shape: ImageShape, width: int) -> Stacked:  # noqa: N802, a class
        """Latents (M, B, Z) → images (M, B, C, H, W)."""
        ...

    def Discriminator(self, members: int, image_shape: ImageShape, width: int) -> Stacked:  # noqa: N802, a class
        """Images (M, B, C, H, W) → logits (M, B): positive means real."""
        ...


@dataclass(frozen=True)
class Network:
    """An architecture for images of one shape, at one width."""

    name: str
    image_shape: ImageShape
    width: int
    latent_size: int
    latent_distribution: Distribution
    value_range: ValueRange
    has_dropout: bool

    def generator(self, members: int) -> Stacked:
        """M generators side by side, on the CPU, weights not drawn yet."""
        return _module(self.name).Generator(members, self.image_shape, self.width)

    def discriminator(self, members: int) -> Stacked:
        """M discriminators side by side, on the CPU, weights not drawn yet."""
        return _module(self.name).Discriminator(members, self.image_shape, self.width)


def network_for(name: str, image_shape: ImageShape, width: int | None = None) -> Network:
    """An architecture by file name, for images of a shape; its own width unless one is given."""
    module = _module(name)
    return Network(
        name,
        image_shape,
        width or module.WIDTH,
        module.LATENT_SIZE,
        module.LATENT_DISTRIBUTION,
        module.VALUE_RANGE,
        module.HAS_DROPOUT,
    )


def architecture_names() -> list[str]:
    """The architectures there are, without importing them."""
    return [module.name for module in pkgutil.iter_modules(__path__) if module.name not in NOT_ARCHITECTURES]


def _module(name: str) -> Architecture:
    """An architecture's module; an unknown one is one sentence naming those there are."""
    find(dict.fromkeys(architecture_names()), name, "network")
    return cast(Architecture, importlib.import_module(f"{__name__}.{name}"))
