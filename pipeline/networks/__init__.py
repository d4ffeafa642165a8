"""Networks: member-stacked layers, and the architectures built from them (`architectures/`, one file each).

Every tensor has the members first: latents (M, B, Z) → images (M, B, C, H, W) → logits (M, B).
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from pipeline.networks import architectures
from pipeline.networks.latents import Distribution
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.networks.stacked import Stacked
    from pipeline.pixels import ValueRange

ImageShape = tuple[int, int, int]  # C, H, W


class Architecture(Protocol):
    """The names that every module of `architectures/` defines.

    `Generator` and `Discriminator` raise `ValueError` for a shape of images that they do not support.
    """

    LATENT_SIZE: int
    LATENT_DISTRIBUTION: Distribution
    VALUE_RANGE: ValueRange  # of the generator's images
    HAS_DROPOUT: bool
    WIDTH: int  # the size of which the layers are multiples, if a recipe sets no other

    def Generator(self, members: int, image_shape: ImageShape, width: int) -> Stacked:  # noqa: N802, a class
        """Map latents (M, B, Z) to images (M, B, C, H, W)."""
        ...

    def Discriminator(self, members: int, image_shape: ImageShape, width: int) -> Stacked:  # noqa: N802, a class
        """Map images (M, B, C, H, W) to logits (M, B): positive means real."""
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
        """Return M generators side by side on the CPU. Their weights are zeros until `initialise`."""
        return _module(self.name).Generator(members, self.image_shape, self.width)

    def discriminator(self, members: int) -> Stacked:
        """Return M discriminators side by side on the CPU. Their weights are zeros until `initialise`."""
        return _module(self.name).Discriminator(members, self.image_shape, self.width)


def network_for(name: str, image_shape: ImageShape, width: int | None = None) -> Network:
    """Return the architecture of this name for images of a shape, at its own width unless one is given."""
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
    """Return the names of all architectures without importing them: an import would load torch."""
    return [module.name for module in pkgutil.iter_modules(architectures.__path__)]


def _module(name: str) -> Architecture:
    """Import the module of an architecture. An unknown name raises one sentence with all known names."""
    find(dict.fromkeys(architecture_names()), name, "network")
    return cast(Architecture, importlib.import_module(f"{architectures.__name__}.{name}"))
