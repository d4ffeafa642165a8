import json
from dataclasses import fields
from typing import Any

import pytest

from pipeline.checks.catalogue import CATALOGUE
from pipeline.checks.stored import previous_report, stored_findings
from pipeline.reports import store
from pipeline.reports.report import Report
from pipeline.storage.paths import Paths
from pipeline.training.records.history import HistoryRow, write_history
from tests.damage import record_again
from tests.pipeline.champion.example_contenders import GOOD, contender
from tests.pipeline.reports.example_reports import rows


def history_of(paths: Paths, *, diverged: bool) -> None:
    """Two intervals of one member, in the second of which it diverged or not."""
    losses: dict[str, Any] = {
        field.name: 0.7 for field in fields(HistoryRow) if field.name not in ("step", "member", "diverged")
    }
    rows = [HistoryRow(step=step, member=0, diverged=diverged and step == 200, **losses) for step in (100, 200)]
    write_history(paths.training("mnist_mlp", "adam") / "history.parquet", rows)
    record_again(paths.training("mnist_mlp", "adam"))


def test_every_check_is_computed_from_the_stored_files(paths: Paths) -> None:
    contender(paths, "adam", [4.0])
    history_of(paths, diverged=False)
    findings = stored_findings("mnist_mlp", paths)
    assert [finding.check for finding in findings("adam")] == list(CATALOGUE)
    sound = {finding.check: finding.passed for finding in findings("adam")}
    history_of(paths, diverged=True)
    sick = {finding.check: finding.passed for finding in findings("adam")}
    assert (sound["diverged_members"], sick["diverged_members"]) == (True, False)


def test_without_a_training_one_sentence_names_the_asset_to_materialize(paths: Paths) -> None:
    with pytest.raises(FileNotFoundError, match="materialize mnist_mlp/generator, partition adam"):
        stored_findings("mnist_mlp", paths)("adam")


def test_the_previous_report_is_the_newest_older_one_about_another_training(paths: Paths) -> None:
    first = contender(paths, "adam", GOOD, seed=1)
    assert previous_report(first, paths) is None
    second = contender(paths, "adam", GOOD, seed=1)  # scored again
    assert previous_report(second, paths) is None
    third = contender(paths, "adam", GOOD, seed=2)
    report = previous_report(third, paths)
    assert report is not None and report.report_id == second.report_id
    assert previous_report(second, paths) is None


def test_a_report_on_fewer_members_of_the_same_training_is_no_previous_report(paths: Paths) -> None:
    def stored(training: str, values: tuple[float, ...], seed: int = 0) -> Report:
        settings = json.dumps({"seed": seed, "members": len(values)})
        facts = {"settings": settings, "training_fingerprint": training, "data_versions": '{"tensors": "t"}'}
        return store.append(paths.reports(), rows(values=values, **facts))

    stored("three members", (1.0, 2.0, 3.0))
    assert previous_report(stored("five members", (1.0, 2.0, 3.0, 4.0, 5.0)), paths) is None
    assert previous_report(stored("another seed", (1.0, 2.0), seed=1), paths) is not None
