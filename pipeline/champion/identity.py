"""Identity: what decides a promotion: the weights, and the report that they were promoted for."""

from __future__ import annotations

from pipeline.champion import CODE_VERSION
from pipeline.storage.identity import Identity


def champion_identity(training_fingerprint: str, report_id: str) -> Identity:
    """Of the folder of one promotion."""
    return Identity("champion", CODE_VERSION, {"training": training_fingerprint, "report": report_id})
