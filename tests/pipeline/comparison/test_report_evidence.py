from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.comparison import report_evidence
from pipeline.comparison.report_evidence import classes, fid_by_step
from pipeline.evidence import Drawing, Table
from pipeline.reports import by_step, store
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import EVENT_BYTES
from pipeline.tensors.details import TensorsDetails
from tests.pipeline.reports.example_reports import rows


class Tensors:
    """Tensors of three classes, as far as a report's evidence reads them."""

    @staticmethod
    def details_as(form: type[TensorsDetails]) -> SimpleNamespace:
        return SimpleNamespace(class_names=("cat", "dog", "owl"))


def stored(paths: Paths, by_class: dict[str, list[list[float | None] | None]]) -> store.Report:
    shared = {"recipe": "r", "optimizer": "adam", "value": 1.0}
    rows = [
        {**shared, "member": member, "metric": metric, "by_class": values}
        for metric, lists in by_class.items()
        for member, values in enumerate(lists)
    ]
    return store.append(paths.reports(), rows)


def test_classes_are_shown_by_name_with_means_over_the_members_that_have_them(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_evidence, "require_tensors", lambda paths, dataset: Tensors)
    counts: list[list[float | None] | None] = [[10.0, 5.0, 0.0], None, [20.0, 0.0, 0.0]]  # the second member diverged
    report = stored(
        paths,
        {"fid": [None] * 3, "missing_classes": counts, "per_class_fid": [[4.0, 7.5, None], None, [6.0, None, None]]},
    )
    table = classes(report, "mnist", paths)["classes"]
    assert isinstance(table, Table)
    assert [tuple(row.values()) for row in table.rows] == [
        ("cat", "15", "5"),
        ("dog", "2.5", "7.5"),
        ("owl", "0", "-"),
    ]


def test_fid_by_step_is_a_picture_where_the_training_kept_images_on_its_way(paths: Paths) -> None:
    about: dict[str, Any] = {"training_fingerprint": "trained", "extractor_sha256": "a" * 64}
    report = store.append(paths.reports(), rows(**about))
    assert fid_by_step(report, paths) == {}
    values = {"step": [500, 1000], "member": [0, 0], "metric": ["fid", "fid"], "value": [9.0, 7.0]}
    table = pa.table(values, schema=by_step.SCHEMA).replace_schema_metadata({**about, "images_a_member": "500"})
    path = paths.scores_by_step("mnist_mlp", report.optimizer)
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    drawing = fid_by_step(report, paths)["fid_by_step"]
    assert isinstance(drawing, Drawing)
    picture = drawing.draw()
    assert picture.startswith("![FID by training step, one line per member](data:image/png;base64,")
    assert len(picture) < EVENT_BYTES


def test_scores_without_classes_show_none_and_need_no_tensors(paths: Paths) -> None:
    assert classes(stored(paths, {"fid": [None, None]}), "mnist", paths) == {}
