"""Failures: the error that an asset raised, without the errors that Dagster wraps around it."""

import re
from collections.abc import Iterator

from dagster_shared.error import SerializableErrorInfo

WRAPPERS = ("DagsterExecutionStepExecutionError",)  # errors around the one that an asset raised
INTERRUPTED = "DagsterExecutionInterruptedError"  # raised by Ctrl-C in a run without a daemon


def causes(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """Yield an error, then the error that caused it, and so on."""
    while error is not None:
        yield error
        error = error.cause


def is_interruption(error: SerializableErrorInfo | None) -> bool:
    """Return whether a person stopped the run, which is no failure."""
    return any(cause.cls_name == INTERRUPTED for cause in causes(error))


def error_sentence(error: SerializableErrorInfo | None) -> str:
    """Return the message of the asset's error in one line, without its class.

    The errors that caused it are left out: they are less specific and do not name the file or setting.
    """
    raised = [cause for cause in causes(error) if cause.cls_name not in WRAPPERS]
    if not raised:
        return "no reason given"
    message = re.sub(rf"^[\w.]*{raised[0].cls_name}: ", "", raised[0].message.strip())
    return " ".join(message.split())
