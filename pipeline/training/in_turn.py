"""In turn: members that train one after another inside each step, where that is faster than one batched model.

On a CPU convolutions gain nothing from a stack: their work is large, and the activations of all members together leave
the cache (docs/log.md: a step of 24 stacked members took 1.4 times 24 single steps). To the rest of the project such
members are one ensemble like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from pipeline.networks import Network
from pipeline.networks.convolution import Convolution
from pipeline.training.engine import Ensemble, Member
from pipeline.training.images import TrainingImages
from pipeline.training.ranks import ALONE, Ranks
from pipeline.training.step import StepOutputs


def assemble(members: Sequence[Member], network: Network, images: TrainingImages, ranks: Ranks = ALONE) -> Ensemble:
    """The members as an ensemble, batched or in turn, whichever is faster on the images' device."""
    in_turn = len(members) > 1 and trains_in_turn(network, images.device)
    return InTurn(members, network, images, ranks) if in_turn else Ensemble(members, network, images, ranks)


def trains_in_turn(network: Network, device: torch.device) -> bool:
    """Whether the network's members train one after another on this device."""
    with torch.device("meta"):  # to look at, without memory
        layers = [*network.generator(1).modules(), *network.discriminator(1).modules()]
    return device.type == "cpu" and any(isinstance(layer, Convolution) for layer in layers)


class InTurn(Ensemble):
    """Several ensembles of one member each, behind the interface of one."""

    def __init__(
        self, members: Sequence[Member], network: Network, images: TrainingImages, ranks: Ranks = ALONE
    ) -> None:
        self._take([Ensemble([member], network, images, ranks) for member in members])

    def _take(self, alone: Sequence[Ensemble]) -> None:
        first = alone[0]
        self.alone = list(alone)
        self.members = [member for each in alone for member in each.members]
        self.network, self.images, self.ranks, self.device = first.network, first.images, first.ranks, first.device
        self.settings, self.objective, self.loss = first.settings, first.objective, first.loss
        self.real_label = torch.cat([each.real_label for each in alone])

    def step(self, step: int, *, measure_gradients: bool = False) -> StepOutputs:
        """Train every member one step."""
        outputs = [each.step(step, measure_gradients=measure_gradients) for each in self.alone]
        penalties = [each.penalty for each in outputs if each.penalty is not None]
        norms = [each.gradient_norms for each in outputs if each.gradient_norms is not None]
        return StepOutputs(
            torch.cat([each.logits for each in outputs]),
            torch.cat(penalties) if penalties else None,
            torch.cat(norms, dim=1) if norms else None,
        )

    def generate(self, latents: Tensor) -> Tensor:
        """Latents (M, B, Z) → images (M, B, C, H, W) float32."""
        return torch.cat([each.generate(own) for each, own in zip(self.alone, torch.split(latents, 1), strict=True)])

    def judge(self, images: Tensor) -> Tensor:
        """Images (M, B, C, H, W) → logits (M, B) float32."""
        return torch.cat([each.judge(own) for each, own in zip(self.alone, torch.split(images, 1), strict=True)])

    def networks(self, rows: slice) -> dict[str, Tensor]:
        """As `Ensemble.networks`, copied."""
        return _joined([each.networks(slice(0, 1)) for each in self.alone[rows]])

    def state(self, rows: slice) -> dict[str, Tensor]:
        """As `Ensemble.state`, copied."""
        return _joined([each.state(slice(0, 1)) for each in self.alone[rows]])

    def load(self, rows: slice, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state` or `networks`."""
        for at, each in enumerate(self.alone[rows]):
            each.load(slice(0, 1), {name: value[at : at + 1] for name, value in state.items()})

    def finite_members(self) -> list[bool]:
        """Which members have only finite weights, in both networks."""
        return [finite for each in self.alone for finite in each.finite_members()]

    def without(self, leaving: Sequence[int]) -> Ensemble:
        """The other members, which go on as if nothing had happened."""
        smaller = InTurn.__new__(InTurn)
        smaller._take([each for at, each in enumerate(self.alone) if at not in leaving])
        return smaller

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """As `Ensemble.evaluating`, for every member."""
        with ExitStack() as stack:
            for each in self.alone:
                stack.enter_context(each.evaluating())
            yield


def _joined(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Of one member each → of all. Neighbours of unlike optimizers share no moments: only what all have is joined."""
    if not states:
        return {}
    shared = [name for name in states[0] if all(name in state for state in states)]
    return {name: torch.cat([state[name] for state in states]) for name in shared}
