"""History: what training measured, one row a member and interval, kept as Parquet.

Columns: `step` (steps done), `member`, `images_seen` (real images), then over the interval's training batches the mean
of `discriminator_loss_real` (smoothed labels, as trained), `discriminator_loss_generated`, `generator_loss`,
`discriminator_accuracy` (share of real and generated images judged right) and `adversarial_accuracy` (share of
generated images the discriminator calls real); then, on held-out images with unsmoothed labels as the notebook
evaluates, `evaluation_discriminator_loss` (real plus generated) and `evaluation_generator_loss`; `elapsed_seconds`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from pipeline.networks.latents import draw_latents
from pipeline.pixels import to_network
from pipeline.training import losses
from pipeline.training.engine import Ensemble, StepValues
from pipeline.training.streams import Purpose


@dataclass(frozen=True)
class HistoryRow:
    """One member over one interval; see the module's opening for each column."""

    step: int
    member: int
    images_seen: int
    discriminator_loss_real: float
    discriminator_loss_generated: float
    generator_loss: float
    discriminator_accuracy: float
    adversarial_accuracy: float
    evaluation_discriminator_loss: float
    evaluation_generator_loss: float
    elapsed_seconds: float


class IntervalMean:
    """Running sums of `StepValues` on the device: nothing is copied to the host before the interval ends."""

    def __init__(self) -> None:
        self.sums: Tensor | None = None  # (5, M)
        self.steps = 0

    def add(self, values: StepValues) -> None:
        """Add one step."""
        stacked = torch.stack([getattr(values, field.name) for field in fields(StepValues)])
        self.sums = stacked if self.sums is None else self.sums.add_(stacked)
        self.steps += 1

    def take(self) -> list[list[float]]:
        """The means as [value][member] in the order of `StepValues`, and start over."""
        if self.sums is None:
            raise RuntimeError("no step was added since the last interval; expected at least one")
        means: list[list[float]] = (self.sums / self.steps).tolist()
        self.sums, self.steps = None, 0
        return means


class Evaluation:
    """The notebook's evaluation: losses on a few held-out and generated images, labels unsmoothed."""

    def __init__(self, ensemble: Ensemble, held_out: Tensor, image_count: int) -> None:
        """`held_out` (N, C, H, W) uint8 are images that are not trained on."""
        if len(held_out) < image_count:
            raise ValueError(
                f"found {len(held_out)} held-out images, expected at least evaluation_images={image_count}"
            )
        self.ensemble, self.held_out, self.image_count = ensemble, held_out.to(ensemble.device), image_count

    @torch.no_grad()
    def at(self, step: int) -> tuple[list[float], list[float]]:
        """The discriminator's and the generator's loss of each member; other images and latents at every step."""
        streams = [member.address.stream(Purpose.EVALUATION, step) for member in self.ensemble.members]
        chosen = torch.stack(
            [torch.randperm(len(self.held_out), generator=each)[: self.image_count] for each in streams]
        )
        network, shape = self.ensemble.network, (self.image_count, self.ensemble.network.LATENT_SIZE)
        latents = torch.stack([draw_latents(network.LATENT_DISTRIBUTION, shape, each) for each in streams])
        real = to_network(self.held_out[chosen.to(self.ensemble.device)])
        real_logits = self.ensemble.discriminator(real)
        logits = self.ensemble.discriminator(self.ensemble.generator(latents.to(self.ensemble.device)))
        unsmoothed = torch.ones_like(self.ensemble.real_label)
        discriminator = losses.discriminator_loss_on_real(real_logits, unsmoothed)
        discriminator += losses.discriminator_loss_on_generated(logits)
        return discriminator.tolist(), losses.generator_loss(logits).tolist()


def interval_rows(
    ensemble: Ensemble, means: list[list[float]], evaluated: tuple[list[float], list[float]], step: int, seconds: float
) -> list[HistoryRow]:
    """One row a member, in the ensemble's order."""
    real, generated, generator, real_called_real, generated_called_real = means
    return [
        HistoryRow(
            step=step,
            member=member.index,
            images_seen=step * member.settings.batch_size,
            discriminator_loss_real=real[at],
            discriminator_loss_generated=generated[at],
            generator_loss=generator[at],
            discriminator_accuracy=(real_called_real[at] + 1 - generated_called_real[at]) / 2,
            adversarial_accuracy=generated_called_real[at],
            evaluation_discriminator_loss=evaluated[0][at],
            evaluation_generator_loss=evaluated[1][at],
            elapsed_seconds=round(seconds, 3),
        )
        for at, member in enumerate(ensemble.members)
    ]


SCHEMA = pa.schema([(field.name, pa.int64() if field.type == "int" else pa.float64()) for field in fields(HistoryRow)])


def write_history(path: Path, rows: list[HistoryRow]) -> None:
    """Write rows as Parquet, NaN kept as NaN."""
    pq.write_table(pa.Table.from_pylist([vars(row) for row in rows], schema=SCHEMA), path)


def read_history(path: Path) -> pa.Table:
    """The table `write_history` wrote."""
    return pq.read_table(path)


def last_interval(path: Path) -> dict[str, float]:
    """The losses and accuracies of the last interval, averaged over members (NaN where a member has NaN)."""
    table = read_history(path)
    last = table.filter(pc.field("step") == pc.max(table["step"]))
    names = [field.name for field in SCHEMA if field.type == pa.float64() and field.name != "elapsed_seconds"]
    return {name: float(np.mean(last[name].to_numpy())) for name in names}
