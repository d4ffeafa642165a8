"""Additions: a metric, a data set, a network, a loss and an optimizer kind, each added to a copy of the package.

Each function makes the changes inside `pipeline/` that CONTRIBUTING's table names. `PackageCopy` counts the files that
an addition touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from pipeline.storage.paths import PROJECT


@dataclass(frozen=True)
class PackageCopy:
    """A copy of `pipeline/` that a test may extend."""

    root: Path  # holds `pipeline`

    @classmethod
    def make(cls, root: Path) -> PackageCopy:
        """Copy the package into a new folder."""
        shutil.copytree(PROJECT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        return cls(root)

    def write(self, name: str, text: str) -> None:
        """Add a new file."""
        assert not (self.root / name).exists()
        (self.root / name).write_text(text, encoding="utf-8")

    def insert(self, name: str, after: str, lines: str) -> None:
        """Insert whole lines below the only line `after` of a file."""
        before, line, rest = (self.root / name).read_text(encoding="utf-8").partition(f"\n{after}\n")
        assert line, f"{name} has no line {after!r}"
        (self.root / name).write_text(f"{before}{line}{lines}\n{rest}", encoding="utf-8")

    def touched(self) -> dict[str, tuple[int, int]]:
        """Return by file how many lines the additions added and how many they removed."""
        files = {}
        for path in sorted(self.root.rglob("pipeline/**/*")):
            name = str(path.relative_to(self.root))
            if path.is_file() and "__pycache__" not in name:
                before, now = _lines(PROJECT / name), _lines(path)
                changes = [line for line in unified_diff(before, now, n=0) if line[:3] not in ("---", "+++", "@@ ")]
                if changes:
                    files[name] = (sum(line[0] == "+" for line in changes), sum(line[0] == "-" for line in changes))
        return files

    def run(self, program: str) -> Any:
        """Run a program that imports the copy; return the JSON value on the last line that it prints."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(self.root), str(PROJECT)))}
        words = [sys.executable, "-c", program]
        done = subprocess.run(words, cwd=self.root, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


def _lines(path: Path) -> list[str]:
    return path.read_bytes().decode("utf-8", "replace").splitlines() if path.exists() else []


# ---------------------------------------------------------------------------------------------------------------------
# A metric

METRIC = '''\
"""Narrowness: how little the features of a set of images vary. Lower is better."""

from __future__ import annotations

from pipeline.metrics.features import Features
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.score import Score


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:
    return {"narrowness": Score(float(real.test.features.std() / (1 + generated.features.std())))}


METRIC = Metric(
    scores=(ScoreDefinition("narrowness", "Narrowness", "Deviation of real features over generated ones.", "lower"),),
    needs=(Need.FEATURES,),
    from_features=_compute,
)
'''


def add_metric(package: PackageCopy) -> None:
    """Add the metric `narrowness`: its file, its import and its entry."""
    package.write("pipeline/metrics/narrowness.py", METRIC)
    package.insert("pipeline/metrics/catalogue.py", "    missing_classes,", "    narrowness,")
    package.insert("pipeline/metrics/catalogue.py", "    missing_classes.METRIC,", "    narrowness.METRIC,")


# ---------------------------------------------------------------------------------------------------------------------
# A data set

DATASET = '''\
"""Bars: bright bars on dark images, 28x28 grey, ten classes."""

from __future__ import annotations

from pipeline.raw.dataset import Dataset
from pipeline.raw.idx_files import IMAGES, LABELS
from pipeline.raw.sources import NamedDirectory

DATASET = Dataset(
    key="bars",
    description="Bars, 28x28 grey",
    licence="CC0",
    class_names=tuple("abcdefghij"),
    sources=(NamedDirectory("GANFORGE_BARS", dict.fromkeys((*IMAGES.values(), *LABELS.values()), "")),),
)
'''


def add_dataset(package: PackageCopy) -> None:
    """Add the data set `bars`: its file, its import and its entry."""
    package.write("pipeline/raw/bars.py", DATASET)
    package.insert("pipeline/raw/catalogue.py", "from pipeline.raw import (", "    bars,")
    package.insert("pipeline/raw/catalogue.py", "BUILT_IN = (", "    bars.DATASET,")


# ---------------------------------------------------------------------------------------------------------------------
# A network

NETWORK = '''\
"""Plain: one dense layer in each network."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.networks import ImageShape
from pipeline.networks.latents import Distribution
from pipeline.networks.layers import Dense, LogitLayer
from pipeline.networks.scaling import SCALE
from pipeline.networks.stacked import Stacked
from pipeline.pixels import SYMMETRIC

LATENT_SIZE = 10
LATENT_DISTRIBUTION: Distribution = "uniform"
VALUE_RANGE = SYMMETRIC
HAS_DROPOUT = False
WIDTH = 4


class Generator(Stacked):
    """One dense layer → tanh."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members, self.image_shape = members, image_shape
        self.output = Dense(members, LATENT_SIZE, math.prod(image_shape))

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, 10) to images."""
        return torch.tanh(SCALE * self.output(latents)).view(*latents.shape[:2], *self.image_shape)


class Discriminator(Stacked):
    """One dense layer → logit."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members = members
        self.output = LogitLayer(members, math.prod(image_shape))

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits (M, B)."""
        return self.output(images.flatten(2))  # type: ignore[no-any-return]
'''


def add_network(package: PackageCopy) -> None:
    """Add the network `plain` and a new module beside the layers that it uses."""
    package.write(
        "pipeline/networks/scaling.py", '"""Scaling: a factor before the last activation."""\n\nSCALE = 0.5\n'
    )
    package.write("pipeline/networks/architectures/plain.py", NETWORK)


# ---------------------------------------------------------------------------------------------------------------------
# A loss

LOSS = """\
    "full_squares": Loss(
        on_real=lambda logits, label: (logits - label).square(),
        on_generated=torch.square,
        for_generator=lambda logits: (logits - 1).square(),
        slope_on_real=lambda logits, label: 2 * (logits - label),
        slope_on_generated=lambda logits: 2 * logits,
        slope_for_generator=lambda logits: 2 * (logits - 1),
        boundary=0.5,
        as_probability=False,
    ),"""
LOSS_FACTS = '    "full_squares": LossFacts(has_labels=True, least=_zero, undecided=lambda label: label**2 / 2),'


def add_loss(package: PackageCopy) -> None:
    """Add the loss `full_squares`: its functions and its facts; `make schemas` then writes its name for editors."""
    package.insert("pipeline/training/engine/losses.py", "LOSS_FUNCTIONS: dict[str, Loss] = {", LOSS)
    package.insert("pipeline/objectives.py", "LOSS_FACTS: dict[str, LossFacts] = {", LOSS_FACTS)


# ---------------------------------------------------------------------------------------------------------------------
# An optimizer kind

KIND = '''

@dataclass(frozen=True, config=CHECKED)
class Lion(OptimizerSettings):
    """Steps by the sign of a running mean of gradients."""

    kind: ClassVar[str] = "lion"

    beta1: Annotated[Share, Field(description="Decay of the mean that gives the step.")] = 0.9
    beta2: Annotated[Share, Field(description="Decay of the mean that is kept.")] = 0.99'''
RULE = '''

class LionRule(UpdateRule[Lion]):
    """Chen et al. 2023, arXiv 2302.06675, without weight decay."""

    moments = ("first",)

    def numbers(self, settings: Lion) -> dict[str, float]:
        """Return how much of the gradient enters the step and the mean."""
        return {"new_step": 1 - settings.beta1, "new_first": 1 - settings.beta2}

    def update(
        self,
        weights: Tensor,
        gradients: Tensor,
        moments: Mapping[str, Tensor],
        numbers: Mapping[str, Number],
        step_size: Number,
        epsilon: Number,
    ) -> None:
        """Update weights and moments of any one shape in place, element by element."""
        first = moments["first"]
        weights.sub_(first.lerp(gradients, numbers["new_step"]).sign_() * step_size)
        first.lerp_(gradients, numbers["new_first"])'''


def add_optimizer_kind(package: PackageCopy) -> None:
    """Add the kind `lion`: its class and its update rule; `make schemas` then writes its fields for editors."""
    kinds, rules = "pipeline/optimizer_kinds.py", "pipeline/training/engine/update_rules.py"
    package.insert(kinds, "        return ArgsKwargs(values.args, fields)", KIND)
    package.insert(kinds, "        Adam,", "        Lion,")
    package.insert(
        rules,
        "from pipeline.optimizer_kinds import SGD, Adam, OptimizerSettings, RMSprop",
        "from pipeline.optimizer_kinds import Lion",
    )
    package.insert(rules, "    return settings.learning_rate / (1 + settings.decay * (t - 1))", RULE)
    package.insert(rules, "RULES: dict[str, UpdateRule[Any]] = {", "    Lion.kind: LionRule(),")
