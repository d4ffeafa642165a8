from typing import ClassVar

import dagster as dg
import pytest

from assets import reports
from pipeline.reports import store
from pipeline.storage.paths import Paths
from pipeline.tensors import load


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
    counts = [[10.0, 5.0, 0.0], None, [20.0, 0.0, 0.0]]  # the second member diverged
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


def test_scores_without_classes_show_none_and_ask_for_no_tensors(paths: Paths) -> None:
    assert reports._classes(stored(paths, {"fid": [None, None]}), "mnist", paths) == {}
