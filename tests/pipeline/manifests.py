"""Details of made-up artefacts: all facts that a manifest must hold, with values that a test may change."""

from __future__ import annotations

from typing import Any

SOURCE = {"source": "package", "origin": "made up", "official": False, "note": "", "licence": ""}


def training_details(recipe: str = "mnist_mlp", optimizer: str = "adam", **changed: Any) -> dict[str, Any]:
    """Return the details of a training of two members that took one step."""
    details = {
        "recipe": recipe,
        "optimizer": optimizer,
        "network": "mlp",
        "width": 8,
        "image_shape": [1, 28, 28],
        "tensors": "tensors",
        "steps": 1,
        "members": 2,
        "diverged_members": [],
        "seed": 0,
        "source": SOURCE,
        "device": "CPU",
        "seconds": 1.0,
        "trained_together": 2,
    }
    return details | changed


def samples_details(recipe: str = "mnist_mlp", optimizer: str = "adam", **changed: Any) -> dict[str, Any]:
    """Return the details of samples of two members, without the keys that older versions lacked."""
    details = {
        "recipe": recipe,
        "optimizer": optimizer,
        "images_a_member": 1,
        "members": [0, 1],
        "diverged_members": [],
        "seed": 0,
    }
    return details | changed


def tensors_details(dataset: str = "mnist", **changed: Any) -> dict[str, Any]:
    """Return the details of the tensors of ten training images and ten test images, one per class."""
    details = {
        "dataset": dataset,
        "images": {"train": 10, "test": 10},
        "labels": "classes",
        "class_names": list("0123456789"),
        "image_shape": [1, 28, 28],
        "value_range": [-1.0, 1.0],
        "source": SOURCE,
    }
    return details | changed
