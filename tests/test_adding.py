"""Additions: each kind that CONTRIBUTING names is added to a copy of the package, as its table describes.

A process of its own imports the copy. The tests count the files that an addition touched; the slow one runs the rest of
the suite.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.raw.catalogue import DATASETS
from pipeline.storage.paths import PROJECT
from tests import additions
from tests.additions import PackageCopy
from tests.tiny_chain import OPTIMIZERS_FILE, RECIPES_FILE, make_chain, name_tables


@pytest.fixture
def package(tmp_path: Path) -> PackageCopy:
    """A fresh copy of the package."""
    return PackageCopy.make(tmp_path / "package")


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
    additions.add_metric(package)
    output = package.run(SCORED_AGAIN)

    assert package.touched() == {
        "pipeline/metrics/catalogue.py": (2, 0),  # its import and its entry
        "pipeline/metrics/narrowness.py": (len(additions.METRIC.splitlines()), 0),
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
    additions.add_dataset(package)
    monkeypatch.setenv("GANFORGE_BARS", str(small_mnist))
    output = package.run(PREPARED)

    assert package.touched() == {
        "pipeline/raw/bars.py": (len(additions.DATASET.splitlines()), 0),
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


def test_a_network_is_one_file_and_a_helper_beside_the_layers_needs_no_entry(
    package: PackageCopy, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    additions.add_network(package)
    (tmp_path / "recipes.toml").write_text(RECIPES_FILE.replace('network = "mlp"', 'network = "plain"'))
    (tmp_path / "optimizers.toml").write_text(OPTIMIZERS_FILE)
    train_in_copy(package, tmp_path, monkeypatch, small_mnist)
    names = package.run("import json; from pipeline.networks import architecture_names as a; print(json.dumps(a()))")

    assert names == ["celeba_dense", "dcgan", "mlp", "mnist_conv", "plain"]
    assert set(package.touched()) == {"pipeline/networks/architectures/plain.py", "pipeline/networks/scaling.py"}


def test_a_loss_is_its_functions_and_its_facts(
    package: PackageCopy, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the package, `make schemas` writes its name for editors: a test of the schemas requires it."""
    additions.add_loss(package)
    (tmp_path / "recipes.toml").write_text(RECIPES_FILE + 'loss = "full_squares"\n')
    (tmp_path / "optimizers.toml").write_text(OPTIMIZERS_FILE)
    train_in_copy(package, tmp_path, monkeypatch, small_mnist)

    assert package.touched() == {
        "pipeline/objectives.py": (1, 0),
        "pipeline/training/engine/losses.py": (len(additions.LOSS.splitlines()), 0),
    }


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
    additions.add_optimizer_kind(package)
    (tmp_path / "recipes.toml").write_text(RECIPES_FILE)
    (tmp_path / "optimizers.toml").write_text(OPTIMIZERS_FILE.replace('"rmsprop"', '"lion"'))
    train_in_copy(package, tmp_path, monkeypatch, small_mnist)
    agree, least_move = package.run(BOTH_WAYS)

    assert package.touched() == {
        "pipeline/optimizer_kinds.py": (len(additions.KIND.splitlines()) + 1, 0),  # its class and its entry
        # its rule, its import and its entry
        "pipeline/training/engine/update_rules.py": (len(additions.RULE.splitlines()) + 2, 0),
    }
    assert agree
    assert least_move > 0


# ---------------------------------------------------------------------------------------------------------------------
# Everything else


@pytest.mark.slow
def test_every_other_test_holds_with_all_five_additions(tmp_path: Path) -> None:
    """Run the fast suite in a copy with all additions, the data set's variable in the documents, and the schemas."""
    copy = tmp_path / "project"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=PROJECT, text=True).split("\0"):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, copy / name)
    package = PackageCopy(copy)
    additions.add_metric(package)
    additions.add_dataset(package)
    additions.add_network(package)
    additions.add_loss(package)
    additions.add_optimizer_kind(package)
    page = copy / "docs" / "operations.md"
    assert page.read_text().count("`GANFORGE_CELEBA` |") == 1
    page.write_text(page.read_text().replace("`GANFORGE_CELEBA` |", "`GANFORGE_CELEBA`, `GANFORGE_BARS` |"))
    callers = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**callers, "PYTHONPATH": str(copy)}
    subprocess.run([sys.executable, "-m", "tests.schemas"], cwd=copy, env=environment, check=True)
    options = ["-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--deselect", "tests/test_adding.py"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-5000:]
