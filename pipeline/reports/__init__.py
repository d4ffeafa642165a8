"""Reports: the scores of every partition, kept for good.

In: the samples of a partition, and the data set's classifier and reference features.
Out: one Parquet file per materialization under `data/reports/recipe=…/optimizer=…/`, with one row per member and score,
never overwritten; older reports are merged into few files. `score.py` computes the rows, `store.py` stores and reads
them. The scores along the newest training lie under `data/scores_by_step/` (`by_step.py`).

The samples, the protocol and the names of the scores decide a report (`report_identity`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.storage.identity import Identity

CODE_VERSION = "3"


def report_identity(samples: str, protocol: Mapping[str, Any], scores: Iterable[str], *, thorough: bool) -> Identity:
    """Return the identity of a report with these scores; `thorough` includes the slow scores.

    `samples` is the fingerprint of the samples, or the one that the scored members alone would have. With the names in
    it, a new metric makes every report stale and nothing else. They are sorted: their order in the catalogue decides no
    number.
    """
    decided_by = {
        "samples": samples,
        "protocol": dict(protocol),
        "thorough": thorough,
        "scores": sorted(scores),
    }
    return Identity("reports", CODE_VERSION, decided_by)
