"""Additions: each kind that CONTRIBUTING names is added to a copy of the package, as its table describes.

The copy is imported in a process of its own. Each test counts the files that the addition touched.
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

import pytest

from pipeline.raw.catalogue import DATASETS
from pipeline.raw.idx_files import IMAGES, LABELS
from pipeline.storage.paths import PROJECT
from tests.tiny_chain import OPTIMIZERS_FILE, RECIPES_FILE, make_chain, name_tables


@dataclass(frozen=True)
class PackageCopy:
    """A copy of `pipeline/` that a test may extend."""

    root: Path  # holds `pipeline`

    def write(self, name: str, text: str) -> None:
        """Add a new file."""
        assert not (self.root / name).exists()
        (self.root / name).write_text(text, encoding="utf-8")

    def insert(self, name: str, after: str, lines: str) -> None:
        """Insert whole lines below the only line `after` of a file."""
        before, _, rest = (self.root / name).read_text(encoding="utf-8").partition(f"\n{after}\n")
        assert _, f"{name} has no line {after!r}"
        (self.root / name).write_text(f"{before}{_}{lines}\n{rest}", encoding="utf-8")

    def touched(self) -> dict[str, tuple[int, int]]:
        """Return by file how many lines the test added and how many it removed."""
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


@pytest.fixture
def package(tmp_path: Path) -> PackageCopy:
    """A fresh copy of the package."""
    root = tmp_path / "package"
    shutil.copytree(PROJECT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    return PackageCopy(root)


@pytest.fixture
def finished_chain(
    small_mnist: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A finished chain in the test's data folder; the environment names its tables."""
    make_chain(tmp_path, small_mnist)
    name_tables(tmp_path, small_mnist, monkeypatch)
    monkeypatch.setenv("GANFORGE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


# ---------------------------------------------------------------------------------------------------------------------
# A metric

NARROWNESS = '''
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
SCORED_AGAIN = """
import json

import numpy as np
import pytest

from pipeline.cli.score_output import json_text, table_text
from pipeline.comparison.page.entries import find_entries
from pipeline.comparison.page.scores import chart_data
from pipeline.comparison.protocol import difference
from pipeline.comparison.ranking import compare
from pipeline.metrics.extractors.classifier import train_classifier
from pipeline.metrics.features import Features
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.reference import make_reference
from pipeline.metrics.standalone.score_sets import GeneratedSet, score_sets
from pipeline.reports import store
from pipeline.reports.judge import Judge
from pipeline.reports.score import score_partition
from pipeline.samples.generate import generate
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.status.survey import survey
from pipeline.storage.paths import Paths
from pipeline.tensors.load import require_tensors
from pipeline.training.train import train
from tests.tiny_chain import CLASSIFIER, CONFIGURATIONS, RECIPE, make_it_tiny

patch, paths = pytest.MonkeyPatch(), Paths.default()
make_it_tiny(patch)
states = {status.name: [status.state, list(status.reasons)] for status in survey(paths).statuses()}
before = store.latest(paths.reports(), RECIPE, "one")

recipe, optimizers = load_recipes()[RECIPE], load_optimizers()
settings = [resolve(recipe, optimizers[key]) for key in CONFIGURATIONS]
made = {
    "classifier": train_classifier("mnist", paths, settings=CLASSIFIER),
    "reference": make_reference("mnist", paths),
    **train(settings, require_tensors(paths, "mnist"), paths),
}
judge = Judge.load("mnist", paths)
made["samples"] = generate(made["one"], recipe.samples, paths)
made["report"] = score_partition(RECIPE, "one", judge, paths)
again = score_partition(RECIPE, "one", judge, paths)
report = made["report"].report

draw = np.random.default_rng(0).normal
sets = score_sets(GeneratedSet(draw(size=(30, 4))), RealFeatures(Features(draw(size=(40, 4)))))
chart = chart_data(find_entries(compare(RECIPE, CONFIGURATIONS, paths), paths))
print(json.dumps({
    "states": states,
    "cached": {name: result.cached for name, result in made.items()},
    "cached_again": again.cached,
    "scores": report.metrics(),
    "values": [list(report.scores("narrowness")), *report.anchors("narrowness")],
    "difference": difference(before, report),
    "table": table_text(sets, sets.notes, None),
    "json": json.loads(json_text(sets, sets.notes, None)),
    "page": {key: chart["narrowness"][key] for key in ("title", "text", "better")},
}))
"""


def test_a_metric_is_one_file_and_its_entry_and_makes_reports_stale_and_nothing_else(
    package: PackageCopy, finished_chain: Path
) -> None:
    package.write("pipeline/metrics/narrowness.py", NARROWNESS)
    package.insert("pipeline/metrics/catalogue.py", "    missing_classes,", "    narrowness,")
    package.insert("pipeline/metrics/catalogue.py", "    missing_classes.METRIC,", "    narrowness.METRIC,")
    output = package.run(SCORED_AGAIN)

    assert package.touched() == {
        "pipeline/metrics/catalogue.py": (2, 0),  # its import and its entry
        "pipeline/metrics/narrowness.py": (len(NARROWNESS.splitlines()), 0),
    }
    not_fresh = {name: reasons for name, (state, reasons) in output["states"].items() if state == "stale"}
    assert not_fresh == {
        "tiny/report one": ["new scores: narrowness"],
        "tiny/report two": ["new scores: narrowness"],
        "tiny/comparison": ["because tiny/report one, tiny/report two are stale"],
    }
    assert {state for state, _ in output["states"].values()} == {"fresh", "stale", "missing"}  # there is no champion
    assert output["cached"] == {
        **dict.fromkeys(("classifier", "reference", "one", "two", "samples"), True),
        "report": False,
    }
    assert output["cached_again"]
    assert "narrowness" in output["scores"]
    by_member, floor, ceiling = output["values"]
    assert len(by_member) == 2
    assert None not in (*by_member, floor, ceiling)
    assert output["difference"] == ""  # reports made before it stay comparable
    assert any(line.startswith("narrowness ") and line.endswith("lower") for line in output["table"].splitlines())
    assert output["json"]["narrowness"] > 0
    assert output["page"] == {
        "title": "Narrowness",
        "text": "Deviation of real features over generated ones.",
        "better": "lower is better",
    }


# ---------------------------------------------------------------------------------------------------------------------
# A data set

BARS = '''
"""Bars: bright bars on dark images, 28x28 grey, ten classes."""

from __future__ import annotations

from pipeline.raw.dataset import Dataset
from pipeline.raw.sources import NamedDirectory

DATASET = Dataset(
    key="bars",
    description="Bars, 28x28 grey",
    licence="CC0",
    class_names=tuple("abcdefghij"),
    sources=(NamedDirectory("GANFORGE_BARS", dict.fromkeys(NAMES, "")),),
)
'''.replace("NAMES", repr((*IMAGES.values(), *LABELS.values())))
PREPARED = """
import json

from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import load_datasets
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build

paths, datasets = Paths.default(), load_datasets()
raw = acquire(datasets["bars"], paths)
tensors = build(datasets["bars"], paths)
print(json.dumps({
    "keys": list(datasets),
    "images": tensors.details["images"],
    "class_names": tensors.details["class_names"],
    "origin": raw.details["origin"],
}))
"""


def test_a_data_set_is_one_file_and_its_entry(
    package: PackageCopy, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the package, docs/operations.md lists its variable: a test of that page requires it."""
    package.write("pipeline/raw/bars.py", BARS)
    package.insert("pipeline/raw/catalogue.py", "from pipeline.raw import (", "    bars,")
    package.insert("pipeline/raw/catalogue.py", "BUILT_IN = (", "    bars.DATASET,")
    monkeypatch.setenv("GANFORGE_BARS", str(small_mnist))
    output = package.run(PREPARED)

    assert package.touched() == {
        "pipeline/raw/bars.py": (len(BARS.splitlines()), 0),
        "pipeline/raw/catalogue.py": (2, 0),  # its import and its entry
    }
    assert output == {
        "keys": ["bars", *DATASETS],
        "images": {"train": 300, "test": 120},
        "class_names": list("abcdefghij"),
        "origin": str(small_mnist),
    }


# ---------------------------------------------------------------------------------------------------------------------
# A network, a loss, an optimizer kind

TRAINED = """
import json

from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build
from pipeline.training.records.history import read_history_rows
from pipeline.training.train import train

paths = Paths.default()
acquire(DATASETS["mnist"], paths)
tensors = build(DATASETS["mnist"], paths)
recipe, optimizers = load_recipes()["tiny"], load_optimizers()
train([resolve(recipe, optimizers[key], steps=2) for key in ("one", "two")], tensors, paths)
resumed = train([resolve(recipe, optimizers[key]) for key in ("one", "two")], tensors, paths)
print(json.dumps({
    key: {
        "network": artefact.details["network"],
        "resumed_at_step": artefact.details["resumed_at_step"],
        "diverged": artefact.details["diverged_members"],
        "losses": [row.generator_loss for row in read_history_rows(artefact.path("history.parquet"))],
    }
    for key, artefact in resumed.items()
}))
"""


def train_in_copy(package: PackageCopy, folder: Path, monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    """Train and resume the tables in a folder with the copy; every member must train to the end."""
    name_tables(folder, files, monkeypatch)
    monkeypatch.setenv("GANFORGE_DATA", str(folder / "data"))
    for training in package.run(TRAINED).values():
        assert training["resumed_at_step"] == 2
        assert not training["diverged"]
        assert len(training["losses"]) == 4  # two intervals of two members


PLAIN = '''
"""Plain: dense layers without activations."""

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
    """Dense → tanh."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members, self.image_shape = members, image_shape
        self.output = Dense(members, LATENT_SIZE, math.prod(image_shape))

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, 10) to images."""
        return torch.tanh(SCALE * self.output(latents)).view(*latents.shape[:2], *self.image_shape)


class Discriminator(Stacked):
    """Dense 1."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members = members
        self.output = LogitLayer(members, math.prod(image_shape))

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits (M, B)."""
        return self.output(images.flatten(2))
'''


def test_a_network_is_one_file_and_a_helper_beside_the_layers_needs_no_entry(
    package: PackageCopy, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.write("pipeline/networks/scaling.py", "SCALE = 0.5\n")
    package.write("pipeline/networks/architectures/plain.py", PLAIN)
    (tmp_path / "recipes.toml").write_text(RECIPES_FILE.replace('network = "mlp"', 'network = "plain"'))
    (tmp_path / "optimizers.toml").write_text(OPTIMIZERS_FILE)
    train_in_copy(package, tmp_path, monkeypatch, small_mnist)
    names = package.run("import json; from pipeline.networks import architecture_names as a; print(json.dumps(a()))")

    assert names == ["celeba_dense", "dcgan", "mlp", "mnist_conv", "plain"]
    assert set(package.touched()) == {"pipeline/networks/architectures/plain.py", "pipeline/networks/scaling.py"}


FULL_SQUARES = """\
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
ITS_FACTS = '    "full_squares": LossFacts(has_labels=True, least=_zero, undecided=lambda label: label**2 / 2),'


def test_a_loss_is_its_functions_and_its_facts(
    package: PackageCopy, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the package, `make schemas` writes its name for editors: a test of the schemas requires it."""
    package.insert("pipeline/training/engine/losses.py", "LOSS_FUNCTIONS: dict[str, Loss] = {", FULL_SQUARES)
    package.insert("pipeline/objectives.py", "LOSS_FACTS: dict[str, LossFacts] = {", ITS_FACTS)
    (tmp_path / "recipes.toml").write_text(RECIPES_FILE + 'loss = "full_squares"\n')
    (tmp_path / "optimizers.toml").write_text(OPTIMIZERS_FILE)
    train_in_copy(package, tmp_path, monkeypatch, small_mnist)

    assert package.touched() == {
        "pipeline/objectives.py": (1, 0),
        "pipeline/training/engine/losses.py": (len(FULL_SQUARES.splitlines()), 0),
    }


LION = """

@dataclass(frozen=True, config=CHECKED)
class Lion(OptimizerSettings):
    \"\"\"Steps by the sign of a running mean of gradients.\"\"\"

    kind: ClassVar[str] = "lion"

    beta1: Share = 0.9
    beta2: Share = 0.99"""
LION_RULE = """

class LionRule(UpdateRule[Lion]):
    \"\"\"Chen et al. 2023, arXiv 2302.06675, without weight decay.\"\"\"

    moments = ("first",)

    def numbers(self, settings):
        return {"new_step": 1 - settings.beta1, "new_first": 1 - settings.beta2}

    def update(self, weights, gradients, moments, numbers, step_size, epsilon):
        first = moments["first"]
        weights.sub_(first.lerp(gradients, numbers["new_step"]).sign_() * step_size)
        first.lerp_(gradients, numbers["new_first"])"""
BOTH_WAYS = """
import json

import torch

from pipeline.optimizer_kinds import Adam, Lion
from pipeline.training.engine.optimizers import StackedOptimizer

settings, stream = [Lion(0.01), Lion(0.02, beta1=0.5), Adam(0.01)], torch.Generator().manual_seed(0)
ways = []
for fused in (True, False):
    weights = torch.ones(3, 16)
    ways.append((weights, StackedOptimizer(weights, [weights[:, :12].view(3, 3, 4)], settings, fused=fused)))
for step in range(5):
    gradients = torch.randn(3, 3, 4, generator=stream)
    for _, optimizer in ways:
        optimizer.update([gradients.clone()], torch.tensor(optimizer.rates(step), dtype=optimizer.rates_dtype))
moved = [(weights[:, :12] - 1).abs() for weights, _ in ways]
print(json.dumps([torch.allclose(*(weights for weights, _ in ways), atol=1e-6), moved[0][0].min().item()]))
"""


def test_an_optimizer_kind_is_one_class_and_one_update_rule_for_every_device(
    package: PackageCopy, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the package, `make schemas` writes its fields for editors: a test of the schemas requires it."""
    kinds, rules = "pipeline/optimizer_kinds.py", "pipeline/training/engine/update_rules.py"
    package.insert(kinds, "        return ArgsKwargs(values.args, fields)", LION)
    package.insert(kinds, "        Adam,", "        Lion,")
    package.insert(
        rules,
        "from pipeline.optimizer_kinds import SGD, Adam, OptimizerSettings, RMSprop",
        "from pipeline.optimizer_kinds import Lion",
    )
    package.insert(rules, "    return settings.learning_rate / (1 + settings.decay * (t - 1))", LION_RULE)
    package.insert(rules, "RULES: dict[str, UpdateRule[Any]] = {", "    Lion.kind: LionRule(),")
    (tmp_path / "recipes.toml").write_text(RECIPES_FILE)
    (tmp_path / "optimizers.toml").write_text(OPTIMIZERS_FILE.replace('"rmsprop"', '"lion"'))
    train_in_copy(package, tmp_path, monkeypatch, small_mnist)
    agree, least_move = package.run(BOTH_WAYS)

    assert package.touched() == {
        kinds: (len(LION.splitlines()) + 1, 0),  # its class and its entry
        rules: (len(LION_RULE.splitlines()) + 2, 0),  # its rule, its import and its entry
    }
    assert agree
    assert least_move > 0
