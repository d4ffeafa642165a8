import math
from typing import Any

import pytest

from pipeline.comparison.protocol import UnlikeProtocolsError
from pipeline.comparison.ranking import Estimate, best_of, compare, estimate, rank, score_text
from pipeline.comparison.replicates import alone
from pipeline.evidence import number
from pipeline.storage.paths import Paths
from tests.pipeline.comparison.example_scores import add, add_metrics


def test_an_estimate_is_the_mean_with_students_95_percent_interval() -> None:
    mean = estimate([1.0, 2.0, 4.0])
    # t(0.975, 2 degrees of freedom) = 4.302653 (tables), s = 1.527525
    assert mean.mean == pytest.approx(7 / 3)
    assert mean.half_width == pytest.approx(4.302653 * 1.527525 / math.sqrt(3), rel=1e-6)
    assert str(mean) == "2.3 ± 3.8"


@pytest.mark.parametrize(
    ("mean", "half_width", "expected"),
    [(933.94, 218.6, "934 ± 219"), (193.7, 9.42, "193.7 ± 9.4"), (4.9862, 0.4561, "4.99 ± 0.46"), (0.0, 0.0, "0 ± 0")],
)
def test_an_estimate_is_printed_with_the_digits_its_interval_allows(
    mean: float, half_width: float, expected: str
) -> None:
    assert str(Estimate(mean, half_width)) == expected


def test_one_member_has_no_interval() -> None:
    mean = estimate([5.0])
    assert (mean.mean, math.isnan(mean.half_width), str(mean)) == (5.0, True, "5")


def test_the_lowest_mean_distance_ranks_first(paths: Paths) -> None:
    for optimizer, fids in (("sgd", [300.0, 310.0]), ("adam", [100.0, 400.0]), ("rmsprop", [150.0, 160.0])):
        add(paths, optimizer, fids)
    ranking = compare("mnist_mlp", ["sgd", "adam", "rmsprop"], paths)
    assert [(configuration.rank, configuration.optimizer) for configuration in ranking.configurations] == [
        (1, "rmsprop"),
        (2, "adam"),
        (3, "sgd"),
    ]


def test_a_diverged_configuration_ranks_last_and_is_marked(paths: Paths) -> None:
    add(paths, "sgd", [None, None])
    add(paths, "adam", [None, 7.0])
    configurations = compare("mnist_mlp", ["sgd", "adam"], paths).configurations
    assert [(configuration.optimizer, score_text(configuration.report, "fid")) for configuration in configurations] == [
        ("adam", "7"),
        ("sgd", "diverged"),
    ]
    assert best_of(compare("mnist_mlp", ["sgd"], paths)) is None


def test_missing_configurations_are_named_and_not_an_error(paths: Paths) -> None:
    add(paths, "adam", [1.0])
    assert compare("mnist_mlp", ["sgd", "adam"], paths).missing == ["sgd"]
    assert compare("celeba_dense", ["sgd", "adam"], paths).missing == ["sgd", "adam"]


UNLIKE = [{"n_generated": 99}, {"extractor_sha256": "b"}, {"new_rule": 1}, {"steps": 400}, {"width": 4}]


@pytest.mark.parametrize("unlike", UNLIKE)
def test_scores_measured_differently_or_after_unequal_trainings_never_meet(
    paths: Paths, unlike: dict[str, Any]
) -> None:
    old, new = add(paths, "sgd", [1.0]), add(paths, "adam", [2.0], **unlike)
    with pytest.raises(UnlikeProtocolsError, match=f"sgd and adam cannot be compared: {next(iter(unlike))}"):
        rank([alone(old), alone(new)])
    ranking = compare("mnist_mlp", ["sgd", "adam"], paths)
    assert [configuration.optimizer for configuration in ranking.configurations] == [
        "adam"
    ]  # of two groups of one, the newest
    assert next(iter(unlike)) in ranking.incomparable["sgd"]


@pytest.mark.parametrize("unlike", UNLIKE)
def test_a_trial_of_one_configuration_leaves_the_ranking_of_the_others(paths: Paths, unlike: dict[str, Any]) -> None:
    for optimizer, fid in (("sgd", 3.0), ("rmsprop", 2.0), ("adam", 1.0)):
        add(paths, optimizer, [fid])
    add(paths, "adam", [0.5], **unlike)
    ranking = compare("mnist_mlp", ["sgd", "adam", "rmsprop"], paths)
    assert [configuration.optimizer for configuration in ranking.configurations] == ["rmsprop", "sgd"]
    assert list(ranking.incomparable) == ["adam"]
    assert next(iter(unlike)) in ranking.incomparable["adam"]
    for optimizer in ("sgd", "rmsprop"):
        add(paths, optimizer, [0.6], **unlike)
    ranking = compare("mnist_mlp", ["sgd", "adam", "rmsprop"], paths)
    assert (len(ranking.configurations), ranking.incomparable) == (3, {})


def test_of_equally_large_groups_the_one_with_the_newest_report_is_ranked(paths: Paths) -> None:
    for optimizer, steps in (("sgd", 400), ("adam", 4500), ("rmsprop", 4500), ("sgd_adam", 400)):
        add(paths, optimizer, [1.0], steps=steps)
    ranking = compare("mnist_mlp", ["sgd", "adam", "rmsprop", "sgd_adam"], paths)
    assert {configuration.optimizer for configuration in ranking.configurations} == {"sgd", "sgd_adam"}
    assert ranking.incomparable == dict.fromkeys(("adam", "rmsprop"), "steps 400 and 4,500")


def test_averaged_and_raw_weights_are_ranked_together(paths: Paths) -> None:
    add(paths, "sgd", [3.0], weights="raw")
    add(paths, "adam", [1.0], weights="average")
    assert compare("mnist_mlp", ["sgd", "adam"], paths).incomparable == {}


def test_a_retired_configuration_is_not_ranked(paths: Paths) -> None:
    add(paths, "adam", [2.0])
    add(paths, "retired", [1.0])
    assert [configuration.optimizer for configuration in compare("mnist_mlp", ["adam"], paths).configurations] == [
        "adam"
    ]


def test_any_metric_ranks_by_its_own_better_end(paths: Paths) -> None:
    for optimizer, scores in (("sgd", [2.0, 3.0]), ("adam", [8.0, 9.0]), ("rmsprop", [None, None])):
        add_metrics(paths, optimizer, {"fid": [1.0, 2.0], "inception_score": scores, "spread": [1.0, 2.0]})
    ranking = compare("mnist_mlp", ["sgd", "adam", "rmsprop"], paths, "inception_score")
    assert [configuration.optimizer for configuration in ranking.configurations] == ["adam", "sgd", "rmsprop"]
    assert best_of(ranking) == "adam"
    with pytest.raises(ValueError, match="metric 'spread' has no better end; expected one of: fid, inception_score"):
        compare("mnist_mlp", ["sgd"], paths, "spread")
    with pytest.raises(ValueError, match="metric 'fdi' is in no report; expected one of: fid, inception_score"):
        compare("mnist_mlp", ["sgd"], paths, "fdi")


def test_a_configuration_without_the_metric_ranks_last(paths: Paths) -> None:
    add_metrics(paths, "adam", {"fid": [1.0, 2.0]})
    add_metrics(paths, "sgd", {"fid": [5.0, 6.0], "inception_score": [3.0, 5.0]})
    ranking = compare("mnist_mlp", ["adam", "sgd"], paths, "inception_score")
    assert [configuration.optimizer for configuration in ranking.configurations] == ["sgd", "adam"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3.14159, "3.142"),
        (12345.6, "12346"),
        (1.5e8, "1.5e+08"),
        (0.00012345, "0.0001234"),
        (None, "-"),
        (math.nan, "-"),
    ],
)
def test_a_number_has_an_exponent_only_where_its_digits_would_be_many(value: float | None, expected: str) -> None:
    assert number(value) == expected
