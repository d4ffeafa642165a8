"""In turn: stacks of members that train one after another inside each step, where that is better than one stack.

On a CPU convolutions gain nothing from a stack: their work is large, and the activations of all members together leave
the cache (docs/log.md: a step of 24 stacked members took 1.4 times 24 single steps). Dense members gain little more
beyond eight, but each further one would take memory for its gradients and activations; stacks that train in turn
share that. To the rest of the project such stacks are one ensemble like any other, but that images are drawn and judged
by its `stacks`, one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from pipeline.networks import Network
from pipeline.networks.convolution import has_convolutions
from pipeline.training.engine.ensemble import Ensemble, Member
from pipeline.training.engine.ranks import ALONE, Ranks
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.replay.memory_plan import Arenas
from pipeline.training.replay.step import StepOutputs

DENSE_STACK = 8  # about so many members; all of 24 at once are 5 % faster (docs/log.md)


def assemble(members: Sequence[Member], network: Network, images: TrainingImages, ranks: Ranks = ALONE) -> Ensemble:
    """The members as an ensemble, in one stack or in several, whichever is better on the images' device."""
    sizes = stack_sizes(len(members), network, images.device)
    if len(sizes) == 1:
        return Ensemble(members, network, images, ranks)
    return InTurn(members, sizes, network, images, ranks)


def stack_sizes(members: int, network: Network, device: torch.device) -> list[int]:
    """How many neighbouring members train as one batched model each: all on a GPU, nearly equal numbers on a CPU."""
    if device.type != "cpu":
        return [members]
    with torch.device("meta"):  # to look at, without memory
        networks = network.generator(1), network.discriminator(1)
    convolves = any(has_convolutions(each) for each in networks)
    stacks = members if convolves else max(1, round(members / DENSE_STACK))
    return [members // stacks + (at < members % stacks) for at in range(stacks)]


class InTurn(Ensemble):
    """Several stacks behind the interface of one."""

    def __init__(
        self, members: Sequence[Member], sizes: Sequence[int], network: Network, images: TrainingImages, ranks: Ranks
    ) -> None:
        arenas, left = Arenas(), iter(members)
        self._stacks = [Ensemble([next(left) for _ in range(size)], network, images, ranks, arenas) for size in sizes]
        first = self._stacks[0]
        self.members, self.network, self.images, self.ranks = list(members), network, images, ranks
        self.device, self.settings = first.device, first.settings
        self.objective, self.loss = first.objective, first.loss
        self.real_label = torch.cat([each.real_label for each in self._stacks])

    @property
    def stacks(self) -> Sequence[Ensemble]:
        """As `Ensemble.stacks`."""
        return self._stacks

    def step(self, step: int, *, measure_gradients: bool = False) -> StepOutputs:
        """Train every member one step."""
        outputs = [each.step(step, measure_gradients=measure_gradients) for each in self.stacks]
        penalties = [each.penalty for each in outputs if each.penalty is not None]
        norms = [each.gradient_norms for each in outputs if each.gradient_norms is not None]
        return StepOutputs(
            torch.cat([each.logits for each in outputs]),
            torch.cat(penalties) if penalties else None,
            torch.cat(norms, dim=1) if norms else None,
        )

    def _parts(self, rows: slice) -> Iterator[tuple[Ensemble, slice]]:
        """The stacks that hold some neighbouring members, and where in them."""
        start = 0
        for stack in self.stacks:
            own = slice(max(rows.start - start, 0), min(rows.stop - start, len(stack.members)))
            if own.start < own.stop:
                yield stack, own
            start += len(stack.members)

    def networks(self, rows: slice) -> dict[str, Tensor]:
        """As `Ensemble.networks`, copied where several stacks have a part."""
        return _joined([stack.networks(own) for stack, own in self._parts(rows)])

    def copy_networks(self, into: Mapping[str, Tensor]) -> None:
        """As `Ensemble.copy_networks`, stack by stack: all at once would be copied twice."""
        start = 0
        for stack in self.stacks:
            rows = slice(start, start + len(stack.members))
            stack.copy_networks({name: value[rows] for name, value in into.items()})
            start = rows.stop

    def state(self, rows: slice) -> dict[str, Tensor]:
        """As `Ensemble.state`, copied where several stacks have a part."""
        return _joined([stack.state(own) for stack, own in self._parts(rows)])

    def load(self, rows: slice, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state` or `networks`."""
        done = 0
        for stack, own in self._parts(rows):
            count = own.stop - own.start
            stack.load(own, {name: value[done : done + count] for name, value in state.items()})
            done += count

    def finite_members(self) -> list[bool]:
        """Which members have only finite weights, in both networks."""
        return [finite for each in self.stacks for finite in each.finite_members()]

    def without(self, leaving: Sequence[int]) -> Ensemble:
        """The other members, which go on as if nothing had happened."""
        staying = [at for at in range(len(self.members)) if at not in leaving]
        smaller = assemble([self.members[at] for at in staying], self.network, self.images, self.ranks)
        for new, old in enumerate(staying):  # in stacks of a resumed run's sizes
            smaller.load(slice(new, new + 1), self.state(slice(old, old + 1)))
        return smaller


def _joined(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Of neighbouring stacks → of all their members: what all have, since unlike optimizers share no moments."""
    if len(states) <= 1:
        return dict(*states)
    shared = [name for name in states[0] if all(name in state for state in states)]
    return {name: torch.cat([state[name] for state in states]) for name in shared}
