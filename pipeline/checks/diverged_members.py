"""Diverged members: members that training itself gave up (`training/divergence.py` has the rules).

A warning if some did. An error if all did: then no member can generate samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, TrainingInputs
from pipeline.checks.member_scores import name_members
from pipeline.findings import Severity
from pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    import pyarrow as pa

PINNED = "pinned"  # in training's reason if the cause was the discriminator's loss, and not rates that are too high
DIVISOR_OF_RATES = 10


class Divergence(TypedDict):
    """One member that diverged; the history has no reason."""

    member: int
    step: int
    reason: str | None


def examine(inputs: TrainingInputs) -> Outcome:
    """Return a failure if a member was not trained to the end."""
    if inputs.details is None and inputs.history is None:
        raise NotJudgedError("no training")
    divergences, members = _divergences(inputs), _count_members(inputs)
    evidence = {"members": members, "divergences": divergences}
    if not divergences:
        return Outcome(f"none of {members} members diverged", evidence)
    clauses = [
        f"member {divergence['member']} at step {divergence['step']:,}{_cause(divergence)}"
        for divergence in divergences
    ]
    diverged = [divergence["member"] for divergence in divergences]
    summary = f"{name_members(diverged, members)} diverged: {'; '.join(clauses)}"
    severity: Severity | None = None if len(diverged) == members else "warn"
    return Outcome(summary, evidence, _advise(inputs.settings, divergences), severity)


def _divergences(inputs: TrainingInputs) -> list[Divergence]:
    """Return the members that diverged, from the artefact, or without reasons from the history."""
    details = inputs.details
    if details is not None and details.divergences:
        return [
            Divergence(member=diverged.member, step=diverged.step, reason=diverged.reason)
            for diverged in details.divergences
        ]
    return [] if inputs.history is None else _divergences_of_history(inputs.history)


def _divergences_of_history(history: pa.Table) -> list[Divergence]:
    rows = zip(*(history.column(name).to_pylist() for name in ("member", "step", "diverged")), strict=True)
    return [Divergence(member=member, step=step, reason=None) for member, step, diverged in sorted(rows) if diverged]


def _count_members(inputs: TrainingInputs) -> int:
    if inputs.settings is not None:
        return inputs.settings.members
    if inputs.details is not None:
        return inputs.details.members
    assert inputs.history is not None
    return len(set(inputs.history.column("member").to_pylist()))


def _cause(divergence: Divergence) -> str:
    """Return training's reason without the change that it names; the check's advice names better ones."""
    return "" if divergence["reason"] is None else f" ({divergence['reason'].rsplit(': ', 1)[0]})"


def _advise(settings: TrainingSettings | None, divergences: list[Divergence]) -> str:
    if all(PINNED in (divergence["reason"] or "") for divergence in divergences):
        changes = [advice.slower("discriminator", settings, DIVISOR_OF_RATES)]
        return advice.either([*changes, advice.smoother_labels(settings), advice.noisier_images(settings)])
    return advice.either([advice.slower_both(settings, DIVISOR_OF_RATES), advice.clipped(settings)])


CHECK = Check("diverged_members", "history", "error", "All members were trained to the end; none diverged.", examine)
