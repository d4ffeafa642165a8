"""Networks: member-stacked layers (`layers.py`) and one file an architecture, generator and discriminator together.

An architecture is a module of this package, named in a recipe by its file name. It defines LATENT_SIZE,
LATENT_DISTRIBUTION, IMAGE_SHAPE (C, H, W), HAS_DROPOUT, and the classes `Generator` and `Discriminator`, whose only
argument is the number of members. Every tensor carries the members first: latents (M, B, Z) → images (M, B, C, H, W)
in [-1, 1] → logits (M, B).
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol, cast

from pipeline.networks.latents import Distribution
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.networks.layers import Stacked

NOT_ARCHITECTURES = {"convolution", "dropout", "latents", "layers", "normalisation"}


class Architecture(Protocol):
    """What a module of this package defines."""

    LATENT_SIZE: int
    LATENT_DISTRIBUTION: Distribution
    IMAGE_SHAPE: tuple[int, int, int]
    HAS_DROPOUT: bool

    def Generator(self, members: int) -> Stacked:  # noqa: N802, a class in the module
        """Latents (M, B, Z) → images (M, B, C, H, W)."""
        ...

    def Discriminator(self, members: int) -> Stacked:  # noqa: N802, a class in the module
        """Images (M, B, C, H, W) → logits (M, B): positive means real."""
        ...


def architecture_names() -> list[str]:
    """The architectures there are, without importing them."""
    return [module.name for module in pkgutil.iter_modules(__path__) if module.name not in NOT_ARCHITECTURES]


def architecture(name: str) -> Architecture:
    """An architecture by file name; an unknown one is one sentence naming those there are."""
    find(dict.fromkeys(architecture_names()), name, "network")
    return cast(Architecture, importlib.import_module(f"{__name__}.{name}"))
