"""History: measurements of a training, one row per member and interval, kept as Parquet.

    step, member, images_seen        steps done; the member's number; real images so far
    discriminator_loss_real          mean over the interval's batches, labels smoothed as in training
    discriminator_loss_generated     mean, as the next ones up to the penalty
    generator_loss
    discriminator_accuracy           share of real and generated images that the discriminator classifies correctly
    adversarial_accuracy             share of generated images that it classifies as real
    discriminator_output_real        D(x): a probability if the loss has one, else a logit
    discriminator_output_generated   D(G(z))
    discriminator_penalty
    discriminator_gradient_norm      at the interval's last step
    generator_gradient_norm
    evaluation_discriminator_loss    on held-out images with unsmoothed labels, as in the notebook; real plus generated
    evaluation_generator_loss
    diverged                         true in the last row of a member that diverged
    elapsed_seconds                  of training since step 0

Losses are those of the recipe (`losses.py`), without label flips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from pipeline.pixels import to_network
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.losses import Loss
from pipeline.training.engine.member import Member
from pipeline.training.engine.random_streams import Purpose, stacked_latents
from pipeline.training.replay.step import StepOutputs


@dataclass(frozen=True)
class Measured:
    """Measurements of one member over an interval of training steps."""

    discriminator_loss_real: float
    discriminator_loss_generated: float
    generator_loss: float
    discriminator_accuracy: float
    adversarial_accuracy: float
    discriminator_output_real: float
    discriminator_output_generated: float
    discriminator_penalty: float
    discriminator_gradient_norm: float
    generator_gradient_norm: float


@dataclass(frozen=True)
class HistoryRow(Measured):
    """One member over one interval. The module's docstring explains each column."""

    step: int
    member: int
    images_seen: int
    evaluation_discriminator_loss: float
    evaluation_generator_loss: float
    diverged: bool
    elapsed_seconds: float


MEANS = 8  # the fields of `Measured` that are means over steps
BLOCK_STEPS = 64  # logits of so many steps are summed in one call, which is faster than after every step


class IntervalMeans:
    """Means over the steps since the last interval. They stay on the device until the interval ends."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble
        members, device = len(ensemble.members), ensemble.device
        self.batch_size = ensemble.ranks.share(ensemble.settings.batch_size)  # B
        self.logits = torch.empty(0)  # (BLOCK_STEPS, M, 2B + B')
        self.penalties = torch.zeros(BLOCK_STEPS, members, device=device)
        self.waiting = 0  # steps in the block that are not summed yet
        self.sums = torch.zeros(members, MEANS, dtype=torch.float64, device=device)
        self.steps = 0  # in the sums
        self.gradient_norms: Tensor | None = None  # (2, M), from the latest step that measured them

    def add(self, outputs: StepOutputs) -> None:
        """Add the outputs of one step."""
        if not len(self.logits):
            self.logits = outputs.logits.new_empty(BLOCK_STEPS, *outputs.logits.shape)
        self.logits[self.waiting].copy_(outputs.logits)
        if outputs.penalty is not None:
            self.penalties[self.waiting].copy_(outputs.penalty)
        self.waiting += 1
        if outputs.gradient_norms is not None:
            self.gradient_norms = outputs.gradient_norms.clone()
        if self.waiting == BLOCK_STEPS:
            self._sum_up()

    def _sum_up(self) -> None:
        if self.waiting:
            means_per_step = step_means(
                self.logits[: self.waiting], self.batch_size, self.ensemble.loss, self.ensemble.real_label
            )
            means = torch.stack([*means_per_step, self.penalties[: self.waiting]]).double()  # (MEANS, n, M)
            self.sums += means.sum(dim=1).T
            self.steps += self.waiting
            self.waiting = 0

    def measure(self) -> list[Measured]:
        """Return each member's means so far. Gradient norms are NaN if no step measured them."""
        self._sum_up()
        if self.steps == 0:
            raise RuntimeError("no step was added since the last interval; expected at least one")
        means = (self.ensemble.ranks.average(self.sums) / self.steps).tolist()
        norms = self._norms().T.tolist()
        return [Measured(*member_means, *member_norms) for member_means, member_norms in zip(means, norms, strict=True)]

    def restart(self) -> None:
        """Forget all sums and begin the next interval."""
        self.waiting, self.steps, self.gradient_norms = 0, 0, None
        self.sums.zero_()

    def state(self, rows: slice) -> dict[str, Tensor]:
        """Return the tensors of some members' unfinished interval that a checkpoint needs, each (m, …).

        With several ranks each sums its own share of a batch. Only the first rank writes, and its share stands for all.
        """
        self._sum_up()
        steps = self.sums.new_full((rows.stop - rows.start, 1), self.steps)
        return {"sums": self.sums[rows], "steps": steps, "gradient_norms": self._norms()[:, rows].T}

    def load(self, rows: slice, state: dict[str, Tensor]) -> None:
        """Restore tensors that `state` returned."""
        self.sums[rows] = state["sums"].to(self.sums.device)
        self.steps = int(state["steps"][0, 0])
        self.gradient_norms = self._norms()
        self.gradient_norms[:, rows] = state["gradient_norms"].T.to(self.sums.device)

    def _norms(self) -> Tensor:
        """Return the measured gradient norms (2, M), or NaN if there are none."""
        if self.gradient_norms is not None:
            return self.gradient_norms
        return torch.full((2, len(self.sums)), float("nan"), device=self.sums.device)


def step_means(logits: Tensor, batch_size: int, loss: Loss, real_label: Tensor) -> list[Tensor]:
    """Return the first seven fields of `Measured`, each (n, M), from the logits (n, M, 2B + B') of n steps."""
    real, generated, for_generator = torch.tensor_split(logits, [batch_size, 2 * batch_size], dim=2)
    right = (real > loss.boundary).float() + (generated <= loss.boundary).float()
    return [
        loss.on_real(real, real_label).mean(dim=2),
        loss.on_generated(generated).mean(dim=2),
        loss.for_generator(for_generator).mean(dim=2),
        (right / 2).mean(dim=2),
        (generated > loss.boundary).float().mean(dim=2),
        loss.output(real).mean(dim=2),
        loss.output(generated).mean(dim=2),
    ]


class HeldOutLosses:
    """Losses on a few held-out and generated images with unsmoothed labels, as the notebook evaluates."""

    def __init__(self, held_out: Tensor, image_count: int) -> None:
        """`held_out` (N, C, H, W) uint8 are images of the test split."""
        if len(held_out) < image_count:
            raise ValueError(
                f"found {len(held_out)} held-out images, expected at least evaluation_images={image_count}"
            )
        self.held_out, self.image_count = held_out, image_count

    def at(self, ensemble: Ensemble, step: int) -> list[tuple[float, float]]:
        """Return each member's loss of the discriminator and of the generator, on new images and latents per step."""
        streams = [member.address.stream(Purpose.EVALUATION, step) for member in ensemble.members]
        chosen = torch.stack(
            [torch.randperm(len(self.held_out), generator=stream)[: self.image_count] for stream in streams]
        )
        network, loss = ensemble.network, ensemble.loss
        latents = stacked_latents(network, (self.image_count, network.latent_size), streams)
        with ensemble.eval_mode():
            real = to_network(self.held_out[chosen].to(ensemble.device), network.value_range)
            real_logits = ensemble.discriminate(real)
            logits = ensemble.discriminate(ensemble.generate(latents.to(ensemble.device)))
            on_real = loss.on_real(real_logits, torch.ones_like(ensemble.real_label))
            discriminator = on_real.mean(dim=1) + loss.on_generated(logits).mean(dim=1)
            generator = loss.for_generator(logits).mean(dim=1)
        return list(zip(discriminator.tolist(), generator.tolist(), strict=True))


def history_row(
    member: Member, measured: Measured, evaluated: tuple[float, float], step: int, seconds: float, *, diverged: bool
) -> HistoryRow:
    """Return the history row of one member."""
    return HistoryRow(
        **vars(measured),
        step=step,
        member=member.index,
        images_seen=step * member.settings.batch_size * member.settings.objective.n_critic,
        evaluation_discriminator_loss=evaluated[0],
        evaluation_generator_loss=evaluated[1],
        diverged=diverged,
        elapsed_seconds=round(seconds, 3),
    )


FLOAT = pa.float64()
ARROW_TYPES = {"int": pa.int64(), "float": FLOAT, "bool": pa.bool_()}
FIRST_COLUMNS = ("step", "member", "images_seen")
COLUMNS = (*FIRST_COLUMNS, *(field.name for field in fields(HistoryRow) if field.name not in FIRST_COLUMNS))
TYPES = {field.name: ARROW_TYPES[str(field.type)] for field in fields(HistoryRow)}
SCHEMA = pa.schema([(name, TYPES[name]) for name in COLUMNS])


def write_history(path: Path, rows: Sequence[HistoryRow]) -> None:
    """Write rows as Parquet, NaN kept as NaN."""
    pq.write_table(pa.Table.from_pylist([vars(row) for row in rows], schema=SCHEMA), path)


def read_history(path: Path) -> pa.Table:
    """Return the table that `write_history` wrote."""
    return pq.read_table(path)


def read_history_rows(path: Path) -> list[HistoryRow]:
    """Return the rows that `write_history` wrote."""
    return [HistoryRow(**row) for row in read_history(path).to_pylist()]


def last_interval(path: Path) -> dict[str, float]:
    """Return the last interval's losses and accuracies, averaged over members; NaN if any member has NaN."""
    rows = read_history_rows(path)
    last_step = max(row.step for row in rows)
    last = [row for row in rows if row.step == last_step]
    names = [name for name in COLUMNS if TYPES[name] == FLOAT and name != "elapsed_seconds"]
    return {name: float(np.mean([getattr(row, name) for row in last])) for name in names}
