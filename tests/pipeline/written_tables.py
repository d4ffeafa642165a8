"""Tables that tests write, and the recipe read from one of them."""

import json
from pathlib import Path
from typing import Any

from pipeline.settings import (
    Recipe,
    load_recipes,
)

BOTH = 'both = { kind = "sgd", learning_rate = 1 }'
RECIPE = """[r]
description = "d"
source = "s"
dataset = "mnist"
network = "mlp"
batch_size = 64
steps = 10
full_steps = 1000
members = 3
samples = 10
history_interval_steps = 1
snapshot_interval_steps = 1
evaluation_images = 16
"""
OBJECTIVE: dict[str, Any] = {
    "loss": "hinge",
    "discriminator_update": "joint",
    "n_critic": 5,
    "generator_batch_size": 32,
    "generated_in": "evaluation",
    "real_label": 0.8,
    "label_flip": 0.05,
    "instance_noise": 0.1,
    "instance_noise_steps": 500,
    "gradient_penalty": 10.0,
    "r1": 2.0,
    "weight_clip": 0.01,
    "spectral_norm": True,
}


def write(tmp_path: Path, text: str, name: str = "optimizers.toml") -> tuple[Path, ...]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return (tmp_path / name,)


def lines(values: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def recipe_of(tmp_path: Path, text: str) -> Recipe:
    return load_recipes(write(tmp_path, RECIPE + text, "recipes.toml"))["r"]
