"""Failures: what an asset that failed said itself, without what Dagster wraps around it."""

import re
from collections.abc import Iterator

from dagster_shared.error import SerializableErrorInfo

WRAPPERS = ("DagsterExecutionStepExecutionError",)  # around what an asset raised
INTERRUPTED = "DagsterExecutionInterruptedError"  # by Ctrl-C in a run without a daemon


def causes(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """An error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.cause


def is_interruption(error: SerializableErrorInfo | None) -> bool:
    """Whether a person stopped it, which is no failure."""
    return any(each.cls_name == INTERRUPTED for each in causes(error))


def own_sentence(error: SerializableErrorInfo | None) -> str:
    """What the asset's own error says, in one line: what caused it says less, and nothing about the place."""
    own = [each for each in causes(error) if each.cls_name not in WRAPPERS]
    if not own:
        return "no reason given"
    message = re.sub(rf"^[\w.]*{own[0].cls_name}: ", "", own[0].message.strip())
    return " ".join(message.split())
