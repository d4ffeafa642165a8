import json
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.comparison.page.entries import find_entries
from pipeline.comparison.page.scores import chart_data, headline, metrics_of, ranking_table, verdict_rows
from pipeline.comparison.ranking import Ranking, compare
from pipeline.reports import store
from pipeline.storage.paths import Paths


def add(paths: Paths, optimizer: str, fids: Sequence[float | None], **more: Any) -> None:
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "floor": 1.0, "ceiling": 900.0}
    shared |= {"protocol": json.dumps({"n": 1}), "better": "lower", "seed": 0, "members": len(fids), **more}
    rows = [{**shared, "member": member, "metric": "fid", "value": value} for member, value in enumerate(fids)]
    store.append(paths.reports(), rows)


def ranked(paths: Paths) -> Ranking:
    return compare("mnist_mlp", ["sgd", "adam", "rmsprop"], paths)


def test_the_headline_names_the_best_configuration_and_those_that_it_beats(paths: Paths) -> None:
    add(paths, "sgd", [800.0, 821.0, 839.0])
    add(paths, "adam", [100.0, 120.0, 140.0])
    add(paths, "rmsprop", [130.0, 121.0, 155.0])
    assert headline(ranked(paths)) == (
        "adam has the lowest FID: 120 ± 50. That is decided against sgd, but not against rmsprop "
        "(about 16 more members would decide)."
    )


def test_a_clear_winner_is_decided_at_the_level_of_all_pairs(paths: Paths) -> None:
    add(paths, "sgd", [800.0, 821.0, 839.0])
    add(paths, "adam", [100.0, 120.0, 140.0])
    assert headline(ranked(paths)).endswith("That is decided against sgd, at a level of 5 % for all of them together.")


def test_the_best_mean_may_lose_in_pairs_and_the_headline_names_the_winner(paths: Paths) -> None:
    add(paths, "adam", [None, 5.0, 5.1, 5.2])
    add(paths, "sgd", [100.0, 4.0, 4.11, 4.19])
    assert headline(ranked(paths)) == "adam has the lowest FID: 5.10 ± 0.25. By the test sgd is better."


@pytest.mark.parametrize(
    ("third", "expected"),
    [
        ([None, 7.5, 7.6, 7.7], "That is decided against rmsprop, at a level of 5 % for all of them together. By the "),
        ([7.7, 4.2, 4.31, 4.39], "By the test rmsprop and sgd are better."),
    ],
)
def test_a_winner_in_pairs_is_never_among_those_beaten(paths: Paths, third: list[float], expected: str) -> None:
    add(paths, "adam", [None, 5.0, 5.1, 5.2])
    add(paths, "sgd", [7.7, 4.2, 4.31, 4.39])
    add(paths, "rmsprop", third)
    said = headline(ranked(paths)).split(". ", 1)[1]
    assert said.startswith(expected)
    assert "against sgd" not in said


def test_collapsed_members_stand_beside_an_open_verdict(paths: Paths) -> None:
    add(paths, "adam", [4.9, 5.0, 5.1, 5.2])
    add(paths, "sgd", [100.0, 4.0, 4.11, 4.19])
    assert "sgd: 1 of 4 members collapsed" in headline(ranked(paths))


def test_equal_means_share_their_place(paths: Paths) -> None:
    add(paths, "sgd", [2.0, 4.0])
    add(paths, "adam", [3.0, 3.0])
    add(paths, "rmsprop", [8.0, 9.0])
    table = ranking_table(find_entries(ranked(paths), paths), "fid")
    assert [(row["key"], row["rank"]) for row in table["rows"]] == [("adam", "1="), ("sgd", "1="), ("rmsprop", "3")]


def test_one_member_each_decides_nothing(paths: Paths) -> None:
    add(paths, "sgd", [800.0])
    add(paths, "adam", [100.0])
    assert headline(ranked(paths)) == (
        "adam has the lowest FID: 100. That is not decided against sgd (needs at least 2 members with a score of each)."
    )


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({}, "No configuration has a report yet"),
        ({"adam": [5.0, 6.0]}, "the only configuration with a comparable report"),
        ({"adam": [None, None]}, "Every configuration diverged"),
    ],
)
def test_the_headline_of_incomparable_configurations_names_the_reason(
    paths: Paths, scores: dict[str, list[float | None]], expected: str
) -> None:
    for optimizer, fids in scores.items():
        add(paths, optimizer, fids)
    assert expected in headline(ranked(paths))


def test_the_table_has_a_row_a_configuration_and_the_anchors(paths: Paths) -> None:
    add(paths, "sgd", [None, None], diverged_members=2)
    add(paths, "adam", [100.0, 120.0])
    table = ranking_table(find_entries(ranked(paths), paths), "fid")
    assert [(row["key"], row["scores"]) for row in table["rows"]] == [("adam", ["110 ± 127"]), ("sgd", ["none"])]
    assert [(row["name"], row["scores"]) for row in table["anchors"]] == [("real images", ["1"]), ("noise", ["900"])]


def test_the_chart_has_the_interval_around_the_mean_and_both_anchors(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0, 140.0])
    fid = chart_data(find_entries(ranked(paths), paths))["fid"]
    assert (fid["floor"], fid["ceiling"]) == (1.0, 900.0)
    (row,) = fid["rows"]
    half_width = 4.302653 * 20 / 3**0.5  # Student's t of two degrees of freedom
    assert (row["low"], row["mean"], row["high"]) == pytest.approx((120 - half_width, 120, 120 + half_width), rel=1e-5)


def test_chart_rows_are_finite_numbers_or_none(paths: Paths) -> None:
    add(paths, "sgd", [None])
    add(paths, "adam", [100.0])
    data = chart_data(find_entries(ranked(paths), paths))
    adam, sgd = data["fid"]["rows"]
    assert (adam["mean"], adam["low"], adam["members"]) == (100.0, None, [{"member": 0, "value": 100.0}])
    assert (sgd["mean"], sgd["members"]) == (None, [])
    json.dumps(data, allow_nan=False)


def test_the_page_lists_the_best_configuration_against_each_other_one(paths: Paths) -> None:
    for place, optimizer in enumerate(("adam", "rmsprop", "sgd")):
        add(paths, optimizer, [100.0 * place + 1, 100.0 * place + 3])
    ranking = ranked(paths)
    rows = verdict_rows(ranking, metrics_of(find_entries(ranking, paths)))["fid"]
    assert [(row["first"], row["second"], row["members"]) for row in rows] == [
        ("adam", "rmsprop", "2 / 2"),
        ("adam", "sgd", "2 / 2"),
    ]
    assert {row["test"] for row in rows} == {"moderated paired t"}


def test_pooled_members_are_named_by_seed(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0], pool="p")
    add(paths, "adam", [110.0], pool="p", seed=5)
    (row,) = chart_data(find_entries(ranked(paths), paths))["fid"]["rows"]
    assert [member["member"] for member in row["members"]] == ["0 of seed 0", "1 of seed 0", "0 of seed 5"]
    assert row["mean"] == 110.0
