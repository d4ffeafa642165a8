"""Made-up histories, scores and reports with just the numbers that a check looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.objectives import LOSS_FACTS
from pipeline.reports.report import Block, Report
from pipeline.reports.schema import SCHEMA
from pipeline.settings import TrainingSettings, load_optimizers, load_recipes, resolve

Curve = Sequence[float] | np.ndarray


def settings(optimizer: str = "adam_ttur", members: int = 3, **objective: Any) -> TrainingSettings:
    resolved = resolve(load_recipes()["mnist_mlp"], load_optimizers()[optimizer], members=members)
    return replace(resolved, objective=replace(resolved.objective, **objective))


def history(shares: Sequence[Curve], of: TrainingSettings, generator_losses: Sequence[Curve] | None = None) -> pa.Table:
    """Members whose discriminator's loss is so many times an undecided one's excess above the least."""
    loss, label = LOSS_FACTS[of.objective.loss], of.objective.real_label
    least, unit = loss.least(label) if loss.least is not None else 0.0, loss.undecided_excess(label) or 1.0
    tables = []
    for member, share in enumerate(shares):
        share = np.asarray(share, float)
        losses = np.ones_like(share) if generator_losses is None else np.asarray(generator_losses[member], float)
        columns = {
            "step": 100 * np.arange(1, len(share) + 1),
            "member": np.full(len(share), member),
            "discriminator_loss_real": least + unit * share / 2,
            "discriminator_loss_generated": unit * share / 2,
            "generator_loss": losses,
            "discriminator_accuracy": np.full(len(share), 0.9),
            "diverged": np.zeros(len(share), bool),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def scores(fids: Sequence[Sequence[float | None]], every: int = 500) -> pa.Table:
    """FIDs of members, and a score that no check looks at."""
    rows = [
        {"step": every * (index + 1), "member": member, "metric": metric, "value": value}
        for member, of_member in enumerate(fids)
        for index, fid in enumerate(of_member)
        for metric, value in (("fid", fid), ("inception_score", 1.0))
    ]
    types = [("step", pa.int64()), ("member", pa.int64()), ("metric", pa.string()), ("value", pa.float64())]
    return pa.Table.from_pylist(rows, schema=pa.schema(types))


def report(rows: Sequence[Mapping[str, Any]], **facts: Any) -> Report:
    shared = {"recipe": "mnist_mlp", "optimizer": "adam", "protocol": "{}", "settings": "{}", "seed": 0, **facts}
    table = pa.Table.from_pylist([{**shared, **row} for row in rows], schema=SCHEMA)
    return Report(Path("made up"), Block.from_report(table))


def fids(*values: float | None, **facts: Any) -> Report:
    """A report of members with these FIDs."""
    rows = [
        {"member": member, "metric": "fid", "value": value, "better": "lower"} for member, value in enumerate(values)
    ]
    return report(rows, **facts)
