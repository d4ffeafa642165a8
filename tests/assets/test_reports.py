from typing import Any, ClassVar

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets import reports
from pipeline.reports import by_step, store
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import EVENT_BYTES
from pipeline.tensors import load
from tests.pipeline.reports.example_reports import rows


class Tensors:
    details: ClassVar = {"class_names": ["cat", "dog", "owl"]}


def stored(paths: Paths, by_class: dict[str, list[list[float | None] | None]]) -> store.Report:
    shared = {"recipe": "r", "optimizer": "adam", "value": 1.0}
    rows = [
        {**shared, "member": member, "metric": metric, "by_class": values}
        for metric, of_members in by_class.items()
        for member, values in enumerate(of_members)
    ]
    return store.append(paths.reports(), rows)


def test_classes_are_shown_by_name_with_means_over_the_members_that_have_them(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "require_tensors", lambda paths, dataset: Tensors)
    counts: list[list[float | None] | None] = [[10.0, 5.0, 0.0], None, [20.0, 0.0, 0.0]]  # the second member diverged
    report = stored(
        paths,
        {"fid": [None] * 3, "missing_classes": counts, "per_class_fid": [[4.0, 7.5, None], None, [6.0, None, None]]},
    )
    table = reports._classes(report, "mnist", paths)["classes"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [tuple(row.data.values()) for row in table.records] == [
        ("cat", "15", "5"),
        ("dog", "2.5", "7.5"),
        ("owl", "0", "-"),
    ]


def test_fid_by_step_is_a_picture_where_the_training_kept_images_on_its_way(paths: Paths) -> None:
    about: dict[str, Any] = {"training_fingerprint": "trained", "extractor_sha256": "a" * 64}
    report = store.append(paths.reports(), rows(**about))
    assert reports._along(report, paths) == {}
    values = {"step": [500, 1000], "member": [0, 0], "metric": ["fid", "fid"], "value": [9.0, 7.0]}
    table = pa.table(values, schema=by_step.SCHEMA).replace_schema_metadata({**about, "images_a_member": "500"})
    path = paths.scores_by_step("mnist_mlp", report.optimizer)
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    shown = reports._along(report, paths)["fid_by_step"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    assert str(shown.value).startswith("![FID by training step, a line a member](data:image/png;base64,")
    assert len(str(shown.value)) < EVENT_BYTES


def test_scores_without_classes_show_none_and_ask_for_no_tensors(paths: Paths) -> None:
    assert reports._classes(stored(paths, {"fid": [None, None]}), "mnist", paths) == {}
