"""Scores along training: their values, when they are made again, and which readers may read them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.metrics.catalogue import score
from pipeline.metrics.extractors.extractor import Extractor
from pipeline.metrics.features import CLASSES, IMAGENET, NO_LOGITS, Features
from pipeline.metrics.reference import Reference
from pipeline.reports import store
from pipeline.reports.by_step import (
    SCHEMA,
    draw_by_step,
    images_per_member,
    keep_scores_by_step,
    read_scores_by_step,
    scores_along,
    weights_scored,
)
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import Pixels
from pipeline.storage.paths import Paths
from pipeline.training.records.scored_images import EVALUATION_IMAGES, FOLDER, write_evaluation
from tests.damage import record
from tests.pipeline.manifests import training_details
from tests.pipeline.reports.example_reports import rows

SHAPE = (1, 4, 4)
IMAGES = 40
KEY = ("mnist_mlp", "adam")
RANDOM = np.random.default_rng(0)
REAL = RANDOM.integers(0, 256, (60, *SHAPE), np.uint8)


def seen(pixels: Pixels, *, has_logits: bool = True) -> Features:
    """Eight features and five logits of an image, by a random projection."""
    projection = np.random.default_rng(1).standard_normal((16, 13)).astype(np.float32)
    values = pixels.reshape(len(pixels), -1).astype(np.float32) / 255 @ projection
    return Features(values[:, :8], values[:, 8:] if has_logits else None)


@dataclass
class MadeUpJudge:
    """A stand-in for `Judge` that counts the images that it scores."""

    sha256: str = "a" * 64
    labels: str = CLASSES
    thorough: Any = None
    looked_at: list[int] = field(default_factory=list)

    @property
    def extractor(self) -> Extractor:
        def load() -> Callable[[Pixels], Features]:
            def look(pixels: Pixels) -> Features:
                self.looked_at.append(len(pixels))
                return seen(pixels, has_logits=self.labels != NO_LOGITS)

            return look

        return Extractor("classifier", self.sha256, self.labels, "none", load)

    @property
    def reference(self) -> Reference:
        return Reference(seen(REAL), seen(REAL), seen(REAL), self.labels)

    reference_artefact = SimpleNamespace(fingerprint="real")


@pytest.fixture
def training(tmp_path: Path) -> Artefact:
    """Two members at step 500, and at 1,000 the second alone."""
    folder = tmp_path / "training"
    for step, members in ((500, (0, 1)), (1000, (1,))):
        drawn = {member: RANDOM.integers(0, 256, (IMAGES, *SHAPE), np.uint8) for member in members}
        write_evaluation(folder / FOLDER, step, drawn.items())
    files = {str(path.relative_to(folder)): record(path) for path in folder.rglob("*.arrow")}
    return Artefact(folder, "trained", files, training_details(*KEY), "")


def keep(training: Artefact, paths: Paths, judge: MadeUpJudge | None = None, *, force: bool = False) -> MadeUpJudge:
    judge = judge or MadeUpJudge()
    keep_scores_by_step(training, judge, paths, force=force)  # type: ignore[arg-type]
    return judge


def read(paths: Paths, training: str = "trained", extractor: str | None = None) -> pa.Table | None:
    return read_scores_by_step(paths, *KEY, training, extractor)


def test_every_member_has_its_scores_at_every_step_it_drew_at(training: Artefact, paths: Paths) -> None:
    keep(training, paths)
    table = read(paths)
    assert table is not None
    assert table.schema.equals(SCHEMA)
    assert images_per_member(table) == EVALUATION_IMAGES
    keys = [(row["step"], row["member"], row["metric"]) for row in table.to_pylist()]
    assert keys == [
        (step, member, metric)
        for step, member in ((500, 0), (500, 1), (1000, 1))
        for metric in ("fid", "inception_score", "missing_classes")
    ]


def test_they_are_the_very_scores_that_a_report_of_these_images_has(training: Artefact, paths: Paths) -> None:
    from pipeline.storage.images import read_images

    judge = keep(training, paths)
    images = read_images(training.path(f"{FOLDER}/step_00000500.arrow"))
    expected = score(seen(images.pixels[:IMAGES]), judge.reference.real, CLASSES)
    table = read(paths)
    assert table is not None
    first = {row["metric"]: row["value"] for row in table.slice(0, 3).to_pylist()}
    assert first == {name: expected[name].value for name in first}


@pytest.mark.parametrize(
    ("labels", "metrics"), [(NO_LOGITS, {"fid"}), (CLASSES, {"fid", "inception_score", "missing_classes"})]
)
def test_only_scores_that_the_logits_define_are_taken(
    training: Artefact, paths: Paths, labels: str, metrics: set[str]
) -> None:
    keep(training, paths, MadeUpJudge(labels=labels))
    table = read(paths)
    assert table is not None
    assert set(table["metric"].to_pylist()) == metrics


def test_existing_scores_are_not_taken_again_unless_forced(training: Artefact, paths: Paths) -> None:
    assert keep(training, paths).looked_at == [IMAGES] * 3
    assert keep(training, paths).looked_at == []
    assert keep(training, paths, force=True).looked_at == [IMAGES] * 3


def test_scores_of_another_training_or_by_other_weights_are_refused_and_made_again(
    training: Artefact, paths: Paths
) -> None:
    keep(training, paths)
    assert read(paths, "another") is None
    assert read(paths, extractor="b" * 64) is None
    assert keep(training, paths, MadeUpJudge("b" * 64)).looked_at == [IMAGES] * 3
    assert read(paths, extractor="b" * 64) is not None
    assert keep(replace(training, fingerprint="another"), paths, MadeUpJudge("b" * 64)).looked_at == [IMAGES] * 3
    assert (read(paths), read(paths, "another") is None) == (None, False)


def test_scores_name_the_weights_of_the_images_and_are_taken_again_for_other_weights(
    training: Artefact, paths: Paths
) -> None:
    keep(training, paths)
    before = read(paths)
    assert before is not None
    assert b"weights" not in before.schema.metadata  # as before there was a choice: nothing is scored anew
    averaged = replace(training, details=training.details | {"weights_along_training": "average"})
    assert keep(averaged, paths).looked_at == [IMAGES] * 3
    now = read(paths)
    assert now is not None
    assert (weights_scored(before), weights_scored(now)) == ("raw", "average")


def test_a_training_of_an_older_version_has_no_scores_and_no_error(
    paths: Paths, tmp_path: Path, training: Artefact
) -> None:
    assert keep(replace(training, folder=tmp_path / "older", files={}), paths).looked_at == []
    assert read(paths) is None


def test_inception_reads_them_only_when_thorough_scores_are_requested(
    training: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    caplog.set_level(logging.INFO, "pipeline")
    assert keep(training, paths, MadeUpJudge(labels=IMAGENET)).looked_at == []
    assert "mnist_mlp adam: scores along training with classifier are computed only with `thorough`" in caplog.text
    assert keep(training, paths, MadeUpJudge(labels=IMAGENET, thorough=object())).looked_at == [IMAGES] * 3


def test_a_damaged_file_is_skipped_logged_and_made_again(
    training: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    keep(training, paths)
    file = paths.scores_by_step(*KEY)
    file.write_bytes(file.read_bytes()[:-9])
    assert read(paths) is None
    assert f"{file}: cannot be read" in caplog.text
    assert keep(training, paths).looked_at == [IMAGES] * 3
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_they_are_no_report_and_a_report_finds_those_of_its_training(training: Artefact, paths: Paths) -> None:
    keep(training, paths)
    root = paths.reports()
    assert store.latest(root, *KEY) is None
    about: dict[str, Any] = {"training_fingerprint": "trained", "extractor_sha256": "a" * 64}
    report = store.append(root, rows(**about))
    assert [stored.report_id for stored in store.history_of(root)] == [report.report_id]
    assert len(store.query("FROM history", root)) == len(rows())
    assert scores_along(report, paths) is not None
    retrained = store.append(root, rows(**{**about, "training_fingerprint": "another"}))
    assert scores_along(retrained, paths) is None


def test_the_picture_has_a_line_a_member_with_a_gap_where_there_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    drawn: list[tuple[list[int], list[float], str]] = []
    plot = Axes.plot

    def watched(self: Axes, steps: Any, values: Any, **options: Any) -> Any:
        drawn.append((steps.to_pylist(), list(values), options["label"]))
        return plot(self, steps, values, **options)

    monkeypatch.setattr(Axes, "plot", watched)
    values = {"step": [500, 1000, 500], "member": [0, 0, 1], "metric": ["fid"] * 3, "value": [9.0, None, 7.0]}
    other = {"step": [500], "member": [0], "metric": ["inception_score"], "value": [2.0]}
    tables = [pa.table(columns, schema=SCHEMA) for columns in (values, other)]
    assert draw_by_step(pa.concat_tables(tables), "fid", "FID").startswith(b"\x89PNG")
    assert [(steps, label) for steps, _, label in drawn] == [([500, 1000], "member 0"), ([500], "member 1")]
    assert drawn[0][1][0] == 9.0 and np.isnan(drawn[0][1][1])
