"""Made-up reports: one row per member and metric, with only the columns that a ranking needs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reports import store
from pipeline.storage.paths import Paths


def add(
    paths: Paths,
    optimizer: str,
    fids: Sequence[float | None],
    *,
    training: str = "",
    steps: int = 4500,
    width: int = 8,
    columns: Mapping[str, Any] | None = None,
    **protocol: Any,
) -> store.Report:
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "floor": 1.0, "ceiling": 900.0}
    shared |= {"steps": steps, "width": width, **(columns or {})}
    shared |= {"training_fingerprint": training, "members": len(fids), "diverged_members": list(fids).count(None)}
    shared |= {"protocol": json.dumps({"extractor_sha256": "a", "n_generated": 10, **protocol}), "better": "lower"}
    return store.append(
        paths.reports(),
        [{**shared, "member": member, "metric": "fid", "value": value} for member, value in enumerate(fids)],
    )


def add_metrics(paths: Paths, optimizer: str, values: Mapping[str, Sequence[float | None]]) -> None:
    better = {"fid": "lower", "inception_score": "higher", "spread": "neither"}
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "protocol": "{}"}
    rows = [
        {**shared, "member": member, "metric": metric, "value": value, "better": better[metric]}
        for metric, of_members in values.items()
        for member, value in enumerate(of_members)
    ]
    store.append(paths.reports(), rows)
