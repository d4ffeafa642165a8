"""Rows of a report as a test needs them."""

from typing import Any


def rows(optimizer: str = "adam", values: tuple[float | None, ...] = (2.0, 1.0), **facts: Any) -> list[dict[str, Any]]:
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "protocol": "{}", **facts}
    anchors = {"floor": 0.5, "ceiling": 9.0, "better": "lower"}
    return [
        {**shared, **anchors, "member": member, "metric": metric, "value": None if value is None else value + index}
        for index, metric in enumerate(("fid", "inception_score"))
        for member, value in enumerate(values)
    ]
