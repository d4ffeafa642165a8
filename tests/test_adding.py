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
from tests.tiny_chain import make_chain, name_tables


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
        before, found, rest = (self.root / name).read_text(encoding="utf-8").partition(f"\n{after}\n")
        assert found, f"{name} has no line {after!r}"
        (self.root / name).write_text(f"{before}{found}{lines}\n{rest}", encoding="utf-8")

    def touched(self) -> dict[str, tuple[int, int]]:
        """Return by file how many lines the test added and how many it removed."""
        found = {}
        for path in sorted(self.root.rglob("pipeline/**/*")):
            name = str(path.relative_to(self.root))
            if path.is_file() and "__pycache__" not in name:
                before, now = _lines(PROJECT / name), _lines(path)
                changes = [line for line in unified_diff(before, now, n=0) if line[:3] not in ("---", "+++", "@@ ")]
                if changes:
                    found[name] = (sum(line[0] == "+" for line in changes), sum(line[0] == "-" for line in changes))
        return found

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

from pipeline.cli.score_output import as_json, as_table
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
    "table": as_table(sets, sets.notes, None),
    "json": json.loads(as_json(sets, sets.notes, None)),
    "page": {key: chart["narrowness"][key] for key in ("title", "text", "better")},
}))
"""


def test_a_metric_is_one_file_and_its_entry_and_makes_reports_stale_and_nothing_else(
    package: PackageCopy, finished_chain: Path
) -> None:
    package.write("pipeline/metrics/narrowness.py", NARROWNESS)
    package.insert("pipeline/metrics/catalogue.py", "    missing_classes,", "    narrowness,")
    package.insert("pipeline/metrics/catalogue.py", "    missing_classes.METRIC,", "    narrowness.METRIC,")
    found = package.run(SCORED_AGAIN)

    assert package.touched() == {
        "pipeline/metrics/catalogue.py": (2, 0),  # its import and its entry
        "pipeline/metrics/narrowness.py": (len(NARROWNESS.splitlines()), 0),
    }
    not_fresh = {name: reasons for name, (state, reasons) in found["states"].items() if state == "stale"}
    assert not_fresh == {
        "tiny/report one": ["new scores: narrowness"],
        "tiny/report two": ["new scores: narrowness"],
        "tiny/comparison": ["because tiny/report one, tiny/report two are stale"],
    }
    assert {state for state, _ in found["states"].values()} == {"fresh", "stale", "missing"}  # there is no champion
    assert found["cached"] == {
        **dict.fromkeys(("classifier", "reference", "one", "two", "samples"), True),
        "report": False,
    }
    assert found["cached_again"]
    assert "narrowness" in found["scores"]
    by_member, floor, ceiling = found["values"]
    assert len(by_member) == 2
    assert None not in (*by_member, floor, ceiling)
    assert found["difference"] == ""  # reports made before it stay comparable
    assert any(line.startswith("narrowness ") and line.endswith("lower") for line in found["table"].splitlines())
    assert found["json"]["narrowness"] > 0
    assert found["page"] == {
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
    found = package.run(PREPARED)

    assert package.touched() == {
        "pipeline/raw/bars.py": (len(BARS.splitlines()), 0),
        "pipeline/raw/catalogue.py": (2, 0),  # its import and its entry
    }
    assert found == {
        "keys": ["bars", *DATASETS],
        "images": {"train": 300, "test": 120},
        "class_names": list("abcdefghij"),
        "origin": str(small_mnist),
    }
