"""Remedy: advice for making a damaged artefact again.

In: the artefact. Out: a part of a sentence, if possible with a command that makes an equal artefact. Such a command
names the budget: without it, a training of the recipe's budget would take the artefact's place.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from pipeline.storage.paths import Paths

if TYPE_CHECKING:
    from pipeline.storage.artefact import Artefact

TRAINING_OPTIONS = {"--steps": "steps", "--members": "members", "--width": "width", "--seed": "seed"}  # option → detail
INSTEAD_OF = "instead_of"  # key in the details of samples: a person chose the kind of weights


def how_to_make(artefact: Artefact) -> str:
    """Return the part of a sentence with the advice for making an artefact again."""
    stage = "" if artefact.identity is None else artefact.identity.stage
    recipe, dataset = artefact.details.get("recipe"), artefact.details.get("dataset")
    if stage in ("training", "samples"):
        return f"make it again with: {_materialize(artefact, stage)}"
    if stage == "champion":
        return f"go back to another one with: ganforge champion rollback {recipe}"
    if stage == "comparison":
        return f"make it again with: ganforge reports page {recipe}"
    if stage in ("raw", "tensors"):
        return f"materialize {artefact.folder.name}/{stage} again"
    return f"materialize {dataset}/{artefact.folder.name} again" if dataset else "make it again"


def _materialize(artefact: Artefact, stage: str) -> str:
    """Return the command with all options that the manifests of the training and of its samples hold."""
    recipe, optimizer = str(artefact.details.get("recipe")), str(artefact.details.get("optimizer"))
    training, samples = (
        artefact.details if stage == name else _details_beside(artefact, name) for name in ("training", "samples")
    )
    values = {option: training.get(name) for option, name in TRAINING_OPTIONS.items()}
    values["--samples"] = samples.get("images_a_member")
    values["--weights"] = samples.get("weights") if INSTEAD_OF in samples else None
    words = ["ganforge", "materialize", recipe, "--optimizer", optimizer]
    return shlex.join(words + [word for name, v in values.items() if v is not None for word in (name, str(v))])


def _details_beside(artefact: Artefact, stage: str) -> dict[str, Any]:
    """Return the details of the same partition's training or samples; empty if they are gone."""
    from pipeline.storage.artefact import read_artefact

    recipe, optimizer = artefact.folder.parts[-2:]
    paths = Paths(artefact.folder.parents[2])
    neighbour = read_artefact(
        paths.training(recipe, optimizer) if stage == "training" else paths.samples(recipe, optimizer)
    )
    return {} if neighbour is None else neighbour.details
