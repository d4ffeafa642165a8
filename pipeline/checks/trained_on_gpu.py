"""Trained on a GPU: a warning where a training ran on a CPU, which is many times slower.

It reads the device from the artefact and no curve, so `benchmarks/detectors` does not measure it.
"""

from __future__ import annotations

from pipeline.checks.facts import Check, TrainingFacts
from pipeline.findings import Finding, failing, not_judged, passing

NAME = "trained_on_gpu"
CPU = "CPU"  # how the name of a processor begins (`training/device.py`)


def judge(facts: TrainingFacts) -> Finding:
    """Whether the device was a GPU."""
    if facts.details is None or "device" not in facts.details:
        return not_judged(NAME, "warn", "the training does not say what it ran on")
    device, steps = str(facts.details["device"]), facts.details.get("steps")
    evidence = {"device": device, "steps": steps, "seconds": facts.details.get("seconds")}
    summary = f"trained on {device}"
    if not device.startswith(CPU):
        return passing(NAME, "warn", summary, evidence)
    advice = "train on a machine with an NVIDIA GPU, or keep to budgets of minutes (--steps, --width)"
    return failing(NAME, "warn", summary, evidence, advice)


CHECK = Check(NAME, "history", "warn", "The networks were trained on a GPU and not on a CPU.", judge)
