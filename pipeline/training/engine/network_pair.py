"""Network pair: the generators and discriminators of M stacked members, with all weights as rows of two tensors.

Members never mix: every operation treats the member dimension apart, so one member's NaN stays its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch.func import functional_call

from pipeline.networks import Network
from pipeline.networks.convolution import has_convolutions
from pipeline.networks.dropout import Dropout
from pipeline.networks.normalisation import apply_spectral_norm
from pipeline.networks.stacked import Stacked
from pipeline.training.engine.member import Member
from pipeline.training.engine.random_streams import NoiseStream, Purpose
from pipeline.training.engine.ranks import Ranks


class NetworkPair:
    """M generators and M discriminators, initialised and on the device, and the generators' averages if any."""

    def __init__(
        self, members: Sequence[Member], network: Network, noise: NoiseStream, device: torch.device, ranks: Ranks
    ) -> None:
        """`noise` gives dropout its random numbers."""
        settings = members[0].settings  # all members of a stack agree in the fields read here
        self.device, self.precision = device, settings.precision
        self.generator = network.generator(len(members))
        self.discriminator = network.discriminator(len(members))
        if settings.objective.spectral_norm:
            apply_spectral_norm(self.discriminator)
        addresses = [member.address for member in members]
        self.generator.initialise([address.stream(Purpose.GENERATOR_WEIGHTS) for address in addresses])
        self.discriminator.initialise([address.stream(Purpose.DISCRIMINATOR_WEIGHTS) for address in addresses])
        rates = [member.settings.dropout or 0.0 for member in members]
        for stacked in (self.generator, self.discriminator):
            stacked.to(device).train()
            ranks.join(stacked)
            _set_dropout(stacked, rates, noise)
        self.generator_weights = self.generator.flatten()  # (M, P)
        self.discriminator_weights = self.discriminator.flatten()  # (M, P')
        self.generator_average = None if settings.ema_decay is None else self.generator_weights.clone()

    @property
    def has_convolutions(self) -> bool:
        """True if any layer of either network is a convolution."""
        return has_convolutions(self.generator) or has_convolutions(self.discriminator)

    # -----------------------------------------------------------------------------------------------------------------
    # Forward passes

    def generate(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, Z) to images (M, B, C, H, W) float32."""
        with self._autocast():
            images: Tensor = self.generator(latents)
        return images.float()

    def generate_scored(self, latents: Tensor) -> Tensor:
        """Generate with the weights that samples use: the running average if there is one, else those that train.

        Batch statistics stay those of the network that trains.
        """
        if self.generator_average is None:
            return self.generate(latents)
        parts = self.generator.named_parts(self.generator_average)
        with self._autocast():
            images: Tensor = functional_call(self.generator, parts, (latents,))
        return images.float()

    def discriminate(self, images: Tensor) -> Tensor:
        """Map images (M, B, C, H, W) to logits (M, B) float32."""
        with self._autocast():
            logits: Tensor = self.discriminator(images)
        return logits.float()

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    @contextmanager
    def eval_mode(self) -> Iterator[None]:
        """Switch off dropout, batch statistics of the current batch, and gradients inside this context."""
        self.generator.eval()
        self.discriminator.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.generator.train()
            self.discriminator.train()

    # -----------------------------------------------------------------------------------------------------------------
    # State

    def state(self, rows: slice) -> dict[str, Tensor]:
        """Return views of neighbouring members' weights, batch statistics and averages, each (m, …)."""
        tensors = {f"generator.{name}": value[rows] for name, value in self.generator.state_dict().items()}
        tensors |= {f"discriminator.{name}": value[rows] for name, value in self.discriminator.state_dict().items()}
        if self.generator_average is not None:
            tensors["generator_average"] = self.generator_average[rows]
        return tensors

    def finite_members(self) -> list[bool]:
        """Return for each member if all weights of both networks are finite."""
        finite = torch.isfinite(self.generator_weights).all(dim=1) & torch.isfinite(self.discriminator_weights).all(1)
        return [bool(value) for value in finite.tolist()]


def _set_dropout(network: Stacked, rates: Sequence[float], noise: NoiseStream) -> None:
    for module in network.modules():
        if isinstance(module, Dropout):
            module.set_rates(rates)
            module.noise = noise
