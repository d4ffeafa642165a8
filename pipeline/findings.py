"""Findings: what a check saw, how bad it is, and the change to try.

Out: `Finding`, in which data, training and reports are judged alike; Dagster shows it as an asset check's result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["warn", "error"]
Evidence = dict[str, Any]  # plain JSON values


@dataclass(frozen=True)
class Finding:
    """Whether a check passed, and what was seen."""

    check: str
    passed: bool
    severity: Severity  # of a finding that passed: the worst there could have been
    summary: str  # what was found, in one sentence
    evidence: Evidence  # `judged` is False where what the check looks at is not there; such a finding passes
    advice: str  # the change to try; empty where it passed


def passing(check: str, severity: Severity, summary: str, evidence: Mapping[str, Any]) -> Finding:
    """Nothing wrong."""
    return Finding(check, True, severity, summary, {"judged": True, **evidence}, "")


def failing(check: str, severity: Severity, summary: str, evidence: Mapping[str, Any], advice: str) -> Finding:
    """Something is wrong."""
    return Finding(check, False, severity, summary, {"judged": True, **evidence}, advice)


def not_judged(check: str, severity: Severity, why: str) -> Finding:
    """What the check looks at is not there; `why` is a clause such as `no report`."""
    return Finding(check, True, severity, f"not judged: {why}", {"judged": False}, "")


def found(
    check: str, severity: Severity, passed: bool, summary: str, evidence: Mapping[str, Any], advice: str
) -> Finding:
    """Passing or failing; the advice counts where it failed."""
    if passed:
        return passing(check, severity, summary, evidence)
    return failing(check, severity, summary, evidence, advice)
