import json
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.comparison.protocol import UnlikeProtocolsError
from pipeline.comparison.ranking import (
    Estimate,
    all_verdicts,
    compare,
    estimate,
    make_comparison,
    rank,
    verdicts_on,
)
from pipeline.comparison.verdicts import Verdict
from pipeline.reports import store
from pipeline.storage.paths import Paths


def add(paths: Paths, optimizer: str, fids: Sequence[float | None], **protocol: Any) -> store.Report:
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "floor": 1.0, "ceiling": 900.0}
    shared |= {"protocol": json.dumps({"extractor_sha256": "a", "n_generated": 10, **protocol}), "better": "lower"}
    return store.append(
        paths.reports(),
        [{**shared, "member": member, "metric": "fid", "value": value} for member, value in enumerate(fids)],
    )


def add_metrics(paths: Paths, optimizer: str, values: dict[str, list[float]]) -> None:
    better = {"fid": "lower", "inception_score": "higher", "spread": "neither"}
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "protocol": "{}"}
    rows = [
        {**shared, "member": member, "metric": metric, "value": value, "better": better[metric]}
        for metric, of_members in values.items()
        for member, value in enumerate(of_members)
    ]
    store.append(paths.reports(), rows)


def test_an_estimate_is_the_mean_with_students_95_percent_interval() -> None:
    found = estimate([1.0, 2.0, 4.0])
    # t(0.975, 2 degrees of freedom) = 4.302653 (tables), s = 1.527525
    assert found.mean == pytest.approx(7 / 3)
    assert found.half_width == pytest.approx(4.302653 * 1.527525 / math.sqrt(3), rel=1e-6)
    assert str(found) == "2.3 ± 3.8"


@pytest.mark.parametrize(
    ("mean", "half_width", "expected"),
    [(933.94, 218.6, "934 ± 219"), (193.7, 9.42, "193.7 ± 9.4"), (4.9862, 0.4561, "4.99 ± 0.46"), (0.0, 0.0, "0 ± 0")],
)
def test_an_estimate_is_printed_with_the_digits_its_interval_allows(
    mean: float, half_width: float, expected: str
) -> None:
    assert str(Estimate(mean, half_width)) == expected


def test_one_member_has_no_interval() -> None:
    found = estimate([5.0])
    assert (found.mean, math.isnan(found.half_width), str(found)) == (5.0, True, "5")


def test_the_lowest_mean_distance_ranks_first(paths: Paths) -> None:
    for optimizer, fids in (("sgd", [300.0, 310.0]), ("adam", [100.0, 400.0]), ("rmsprop", [150.0, 160.0])):
        add(paths, optimizer, fids)
    ranking = compare("mnist_mlp", ["sgd", "adam", "rmsprop"], paths)
    assert [(standing.rank, standing.optimizer) for standing in ranking.standings] == [
        (1, "rmsprop"),
        (2, "adam"),
        (3, "sgd"),
    ]


def test_a_diverged_configuration_ranks_last_and_says_so(paths: Paths) -> None:
    add(paths, "sgd", [None, None])
    add(paths, "adam", [None, 7.0])
    standings = compare("mnist_mlp", ["sgd", "adam"], paths).standings
    assert [(standing.optimizer, str(standing.scores["fid"])) for standing in standings] == [
        ("adam", "7"),
        ("sgd", "diverged"),
    ]
    assert make_comparison("mnist_mlp", ["sgd"], paths)[0].details["best"] is None


def test_missing_configurations_are_named_and_not_an_error(paths: Paths) -> None:
    add(paths, "adam", [1.0])
    assert compare("mnist_mlp", ["sgd", "adam"], paths).missing == ["sgd"]
    assert compare("celeba_dense", ["sgd", "adam"], paths).missing == ["sgd", "adam"]


@pytest.mark.parametrize("unlike", [{"n_generated": 99}, {"extractor_sha256": "b"}, {"new_rule": 1}])
def test_scores_of_unlike_protocols_never_meet(paths: Paths, unlike: dict[str, Any]) -> None:
    old, new = add(paths, "sgd", [1.0]), add(paths, "adam", [2.0], **unlike)
    with pytest.raises(UnlikeProtocolsError, match=f"sgd and adam cannot be compared: {next(iter(unlike))}"):
        rank([old, new])
    ranking = compare("mnist_mlp", ["sgd", "adam"], paths)
    assert [standing.optimizer for standing in ranking.standings] == ["adam"]  # the newest decides
    assert next(iter(unlike)) in ranking.left_out["sgd"]


def test_a_retired_configuration_is_not_ranked(paths: Paths) -> None:
    add(paths, "adam", [2.0])
    add(paths, "retired", [1.0])
    assert [standing.optimizer for standing in compare("mnist_mlp", ["adam"], paths).standings] == ["adam"]


def test_the_artefact_holds_the_ranking_and_is_kept_while_no_report_is_new(paths: Paths) -> None:
    add(paths, "adam", [2.0, 4.0])
    first, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    row = pq.read_table(first.path("ranking.parquet")).to_pylist()[0]
    assert (row["rank"], row["optimizer"], row["fid_mean"], row["fid_floor"]) == (1, "adam", 3.0, 1.0)
    assert (first.details["best"], first.details["missing"]) == ("adam", ["sgd"])
    assert make_comparison("mnist_mlp", ["adam", "sgd"], paths)[0].cached
    add(paths, "sgd", [1.0])
    second, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    assert (second.cached, second.details["best"]) == (False, "sgd")


def test_the_artefact_holds_a_verdict_on_every_pair_by_every_ranked_metric(paths: Paths) -> None:
    for optimizer, offset in (("sgd", 100.0), ("adam", 0.0), ("rmsprop", 50.0)):
        values = {"fid": [offset + noise for noise in (1.0, 3.0, 2.5)], "inception_score": [offset, offset + 1, offset]}
        add_metrics(paths, optimizer, {**values, "spread": [1.0, 2.0, 3.0]})
    artefact, ranking = make_comparison("mnist_mlp", ["sgd", "adam", "rmsprop"], paths)
    rows = pq.read_table(artefact.path("verdicts.parquet")).to_pylist()
    pairs = [("adam", "rmsprop"), ("adam", "sgd"), ("rmsprop", "sgd")]
    assert [(row["metric"], row["first"], row["second"]) for row in rows] == [
        (metric, *pair) for metric in ("fid", "inception_score") for pair in pairs
    ]
    assert (rows[1]["difference"], rows[1]["verdict"], rows[1]["members"]) == (-100.0, "undecided", 3)
    assert rows[1]["note"] == "the difference does not vary at all"
    assert verdicts_on(ranking) == all_verdicts(ranking)[:3]


def test_without_pairs_the_table_of_verdicts_is_empty_and_typed(paths: Paths) -> None:
    add(paths, "adam", [2.0, 4.0])
    table = pq.read_table(make_comparison("mnist_mlp", ["adam"], paths)[0].path("verdicts.parquet"))
    assert (table.num_rows, table.schema.names) == (0, [field.name for field in fields(Verdict)])


def test_without_any_report_the_comparison_says_so(paths: Paths, tmp_path: Path) -> None:
    artefact, ranking = make_comparison("mnist_mlp", ["adam"], paths)
    assert (ranking.standings, artefact.details["best"]) == ([], None)


def test_a_score_that_the_best_configuration_lacks_is_in_the_table(paths: Paths) -> None:
    add_metrics(paths, "adam", {"fid": [1.0, 2.0]})
    add_metrics(paths, "sgd", {"fid": [5.0, 6.0], "inception_score": [3.0, 5.0]})
    artefact, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    rows = pq.read_table(artefact.path("ranking.parquet")).to_pylist()
    assert [(row["optimizer"], row["inception_score_mean"]) for row in rows] == [("adam", None), ("sgd", 4.0)]
