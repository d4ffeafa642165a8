"""Protocol: whether the scores of two reports were measured the same way. Scores of unlike protocols never meet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.reports.store import Report


class UnlikeProtocolsError(ValueError):
    """Scores that were measured differently and cannot be compared."""


def expect_one_protocol(reports: Sequence[Report]) -> None:
    """All reports share the first one's protocol, numbers of images included; anything else is an error."""
    for report in reports[1:]:
        difference = protocol_difference(reports[0], report)
        if difference:
            names = f"{reports[0].fact('optimizer')} and {report.fact('optimizer')}"
            raise UnlikeProtocolsError(f"scores of {names} cannot be compared: {difference}; score both the same way")


def protocol_difference(first: Report, second: Report) -> str:
    """What differs between two reports' protocols, such as `n_generated 10000 and 500`; empty where nothing does."""
    protocols = [json.loads(report.fact("protocol")) for report in (first, second)]
    names = sorted({*protocols[0], *protocols[1]})
    pairs = [(name, protocols[0].get(name), protocols[1].get(name)) for name in names]
    return ", ".join(f"{name} {_short(one)} and {_short(other)}" for name, one, other in pairs if one != other)


def _short(value: Any) -> str:
    return str(value)[:12]
