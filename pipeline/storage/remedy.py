"""Remedy: advice for making a damaged artefact again.

In: an artefact's folder, identity and details. Out: a part of a sentence, if possible with a command that makes an
equal artefact. Such a command names the budget: without it, a training of the recipe's budget would take the artefact's
place.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.storage.identity import Identity
from pipeline.storage.paths import MANIFEST, Paths

TRAINING_OPTIONS = {"--steps": "steps", "--members": "members", "--width": "width", "--seed": "seed"}  # option → detail
INSTEAD_OF = "instead_of"  # key in details and identity of samples: a person chose the kind of weights


def how_to_make(folder: Path, identity: Identity | None, details: Mapping[str, Any]) -> str:
    """Return the part of a sentence with the advice for making an artefact again."""
    stage = "" if identity is None else identity.stage
    recipe, dataset = details.get("recipe"), details.get("dataset")
    if stage in ("training", "samples"):
        return f"make it again with: {_materialize(folder, stage, details)}"
    if stage == "champion":
        return f"go back to another one with: ganforge champion rollback {recipe}"
    if stage == "comparison":
        return f"make it again with: ganforge reports page {recipe}"
    if stage in ("raw", "tensors"):
        return f"materialize {folder.name}/{stage} again"
    return f"materialize {dataset}/{folder.name} again" if dataset else "make it again"


def _materialize(folder: Path, stage: str, details: Mapping[str, Any]) -> str:
    """Return the command with all options that the manifests of the training and of its samples hold."""
    recipe, optimizer = str(details.get("recipe")), str(details.get("optimizer"))
    training, samples = (
        details if stage == name else _details_beside(folder, name) for name in ("training", "samples")
    )
    values = {option: training.get(name) for option, name in TRAINING_OPTIONS.items()}
    values["--samples"] = samples.get("images_a_member")
    values["--weights"] = samples.get("weights") if INSTEAD_OF in samples else None
    words = ["ganforge", "materialize", recipe, "--optimizer", optimizer]
    return shlex.join(words + [word for name, v in values.items() if v is not None for word in (name, str(v))])


def _details_beside(folder: Path, stage: str) -> Mapping[str, Any]:
    """Return the details of the same partition's training or samples; empty if they are gone."""
    recipe, optimizer = folder.parts[-2:]
    paths = Paths(folder.parents[2])
    neighbour = paths.training(recipe, optimizer) if stage == "training" else paths.samples(recipe, optimizer)
    try:
        details: Mapping[str, Any] = json.loads((neighbour / MANIFEST).read_text(encoding="utf-8"))["details"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return details
