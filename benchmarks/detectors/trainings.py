"""Trainings: made-up histories of healthy and sick members.

A member's discriminator is described by its shares (`shares.py`). From them follow the losses of any kind, the accuracy
and the generator's loss. A sick training has one to three sick members of three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.detectors import shares as made
from benchmarks.detectors.kinds import Kind, Random, log_uniform, wander
from pipeline.checks.inputs import TrainingInputs
from pipeline.checks.member_curves import Values
from pipeline.objectives import LOSS_FACTS, ObjectiveSettings
from pipeline.optimizer_kinds import Adam
from pipeline.settings import TrainingSettings

MEMBERS = 3
INTERVAL_STEPS = 100
PROBABILITY_LOSSES = ("non_saturating", "minimax")
MARGIN_LOSSES = ("least_squares", "hinge")
DETECTORS = ("diverged_members", "discriminator_pinned", "discriminator_loss_variance")
Columns = dict[str, np.ndarray[Any, np.dtype[Any]]]  # of one member, (S,) each
Shares = Callable[[Random, int], Values]  # (random, S) → (S,) shares of one member


def _settings(random: Random, losses: tuple[str, ...]) -> TrainingSettings:
    optimizer = Adam(2e-4, beta1=0.5)
    return TrainingSettings(
        recipe="zoo",
        optimizer="adam",
        network="mlp",
        width=None,
        batch_size=64,
        dropout=None,
        ema_decay=None,
        precision="float32",
        objective=ObjectiveSettings(loss=str(random.choice(losses)), real_label=float(random.choice([0.9, 1.0]))),
        generator=optimizer,
        discriminator=optimizer,
        steps=1000,
        members=MEMBERS,
        seed=0,
        history_interval_steps=INTERVAL_STEPS,
        snapshot_interval_steps=1000,
        evaluation_images=16,
    )


def _intervals(random: Random) -> int:
    """Draw a number of intervals: mostly enough for every check, sometimes very few."""
    return int(log_uniform(random, 24, 250)) if random.random() < 0.9 else int(random.integers(4, 24))


def _columns(random: Random, share: Values, objective: ObjectiveSettings, member: int) -> Columns:
    """Return one member's columns of a history."""
    loss = LOSS_FACTS[objective.loss]
    excess = loss.undecided_excess(objective.real_label)
    on_real = random.uniform(0.35, 0.65)
    if loss.least is None or excess is None:  # Wasserstein: the critic's estimate, of a scale that the penalty allows
        scale, offset = log_uniform(random, 0.1, 20), random.normal()
        real, generated = scale * (offset - share), -scale * offset * np.ones_like(share)
    else:
        least = loss.least(objective.real_label)
        real, generated = least + on_real * excess * share, (1 - on_real) * excess * share
    generator = -np.log(np.clip(0.45 * share, 1e-5, 0.95)) * np.exp(wander(random, len(share), 0.03, 0.3))
    return {
        "step": INTERVAL_STEPS * np.arange(1, len(share) + 1),
        "member": np.full(len(share), member),
        "discriminator_loss_real": real,
        "discriminator_loss_generated": generated,
        "generator_loss": generator,
        "discriminator_accuracy": np.clip(1 - 0.5 * share**1.2, 0, 1),
        "diverged": np.zeros(len(share), bool),
    }


def _table(columns: list[Columns]) -> pa.Table:
    table = pa.concat_tables([pa.table(member_columns) for member_columns in columns])
    return table.sort_by([("step", "ascending"), ("member", "ascending")])


def _training(sick: Shares | None, healthy: Shares, losses: tuple[str, ...]) -> Callable[[Random], TrainingInputs]:
    def make(random: Random) -> TrainingInputs:
        settings, count = _settings(random, losses), _intervals(random)
        sick_members = 0 if sick is None else int(random.integers(1, MEMBERS + 1))
        shares = [(sick if member < sick_members and sick else healthy)(random, count) for member in range(MEMBERS)]
        columns = [_columns(random, share, settings.objective, member) for member, share in enumerate(shares)]
        return TrainingInputs(_table(columns), settings)

    return make


def _diverged(random: Random) -> TrainingInputs:
    """One to three members end with losses that are no numbers; the rest continue."""
    settings, count = _settings(random, PROBABILITY_LOSSES), _intervals(random)
    columns = [_columns(random, made.settling(random, count), settings.objective, member) for member in range(MEMBERS)]
    for member_columns in columns[: random.integers(1, MEMBERS + 1)]:
        end = int(random.integers(1, count + 1))
        for name, values in member_columns.items():
            member_columns[name] = values[:end]
        member_columns["diverged"][-1] = True
        member_columns["generator_loss"][-1] = float(random.choice([np.nan, np.inf, 3e5]))
    return TrainingInputs(_table(columns), settings)


def _healthy(shares: Shares, losses: tuple[str, ...] = PROBABILITY_LOSSES, name: str = "") -> Kind:
    description = (shares.__doc__ or "").strip()
    return Kind(name or shares.__name__, description, DETECTORS, None, _training(None, shares, losses))


def _sick(shares: Shares, check: str, losses: tuple[str, ...] = PROBABILITY_LOSSES, name: str = "") -> Kind:
    description = (shares.__doc__ or "").strip()
    return Kind(name or shares.__name__, description, (check,), check, _training(shares, made.settling, losses))


PINNED, VARIANCE = "discriminator_pinned", "discriminator_loss_variance"
WASSERSTEIN = ("wasserstein",)
TRAININGS: tuple[Kind, ...] = (
    *map(_healthy, (made.settling, made.certain_at_first, made.strong_to_the_end, made.oscillating, made.two_phases)),
    *map(_healthy, (made.spikes_at_first, made.rare_spikes, made.lively)),
    _healthy(made.settling, MARGIN_LOSSES, "settling_margin_losses"),
    _healthy(made.lively, MARGIN_LOSSES, "lively_margin_losses"),
    _healthy(made.settling, WASSERSTEIN, "settling_wasserstein"),
    _healthy(made.two_phases, WASSERSTEIN, "two_phases_wasserstein"),
    Kind("diverged", "One to three members diverge.", (DETECTORS[0],), DETECTORS[0], _diverged),
    *(_sick(shares, PINNED) for shares in (made.pinned_early, made.pinned_late, made.pinned_with_escapes)),
    _sick(made.pinned_early, PINNED, MARGIN_LOSSES, "pinned_early_margin_losses"),
    *(
        _sick(shares, VARIANCE)
        for shares in (made.growing_swings, made.bursts, made.growing_oscillation, made.huge_throughout)
    ),
    _sick(made.growing_swings, VARIANCE, WASSERSTEIN, "growing_swings_wasserstein"),
)
