"""Diverged members: those that training itself gave up (`training/divergence.py` says when).

A warning where some did, an error where all did: then there is nothing to draw samples from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.checks import advice
from pipeline.checks.curves import named
from pipeline.checks.facts import Check, TrainingFacts
from pipeline.findings import Finding, failing, not_judged, passing

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "diverged_members"
PINNED = "pinned"  # in training's reason where it was the discriminator's loss, and not rates that are too high
DIVISOR_OF_RATES = 10


def judge(facts: TrainingFacts) -> Finding:
    """Whether all members could be trained to the end."""
    if facts.details is None and facts.history is None:
        return not_judged(NAME, "error", "no training")
    divergences = _divergences(facts)
    members = _members(facts)
    if not divergences:
        return passing(NAME, "error", f"none of {members} members diverged", {"members": members, "divergences": []})
    evidence = {"members": members, "divergences": divergences}
    told = "; ".join(f"member {each['member']} at step {each['step']:,}{_why(each)}" for each in divergences)
    diverged = [each["member"] for each in divergences]
    summary = f"{named(diverged, members)} diverged: {told}"
    return failing(
        NAME, "error" if len(diverged) == members else "warn", summary, evidence, _advice(facts, divergences)
    )


def _divergences(facts: TrainingFacts) -> list[dict[str, Any]]:
    """Member, step and reason of each, from the artefact, or without reasons from the history."""
    if facts.details is not None and "divergences" in facts.details:
        return [
            {"member": each["member"], "step": each["step"], "reason": each["reason"]}
            for each in facts.details["divergences"]
        ]
    return [] if facts.history is None else _ended(facts.history)


def _ended(history: pa.Table) -> list[dict[str, Any]]:
    rows = zip(*(history.column(name).to_pylist() for name in ("member", "step", "diverged")), strict=True)
    return [{"member": member, "step": step, "reason": None} for member, step, diverged in sorted(rows) if diverged]


def _members(facts: TrainingFacts) -> int:
    if facts.settings is not None:
        return facts.settings.members
    if facts.details is not None and "members" in facts.details:
        return int(facts.details["members"])
    assert facts.history is not None
    return len(set(facts.history.column("member").to_pylist()))


def _why(divergence: Mapping[str, Any]) -> str:
    """Training's reason without the change that it names, which the advice names better."""
    return "" if divergence["reason"] is None else f" ({divergence['reason'].rsplit(': ', 1)[0]})"


def _advice(facts: TrainingFacts, divergences: list[dict[str, Any]]) -> str:
    reasons = [each["reason"] or "" for each in divergences]
    if all(PINNED in reason for reason in reasons):
        changes = [advice.slower("discriminator", facts.settings, DIVISOR_OF_RATES)]
        return advice.either([*changes, advice.smoother_labels(facts.settings), advice.noisier_images(facts.settings)])
    return advice.either([advice.slower_both(facts.settings, DIVISOR_OF_RATES), advice.clipped(facts.settings)])


CHECK = Check(NAME, "history", "error", "All members were trained to the end; none diverged.", judge)
