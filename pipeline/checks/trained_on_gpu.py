"""Trained on a GPU: a warning if a training ran on a CPU, which is many times slower.

It reads the device from the artefact and no curve, so `benchmarks/detectors` does not measure it.
"""

from __future__ import annotations

from pipeline.checks.inputs import Check, NotJudgedError, Outcome, TrainingInputs

CPU = "CPU"  # the first word of a processor's name in `device.py`


def examine(inputs: TrainingInputs) -> Outcome:
    """Return a failure if the device was a CPU."""
    if inputs.details is None:
        raise NotJudgedError("the training's device is not recorded")
    device = inputs.details.device
    evidence = {"device": device, "steps": inputs.details.steps, "seconds": inputs.details.seconds}
    slow = device.startswith(CPU)
    advice = "train on a machine with an NVIDIA GPU, or keep to budgets of minutes (--steps, --width)"
    return Outcome(f"trained on {device}", evidence, advice if slow else None)


CHECK = Check("trained_on_gpu", "history", "warn", "The networks were trained on a GPU and not on a CPU.", examine)
