from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.comparison.ranking import compare
from pipeline.comparison.ranking_verdicts import compare_replicates, verdicts_on, verdicts_on_best
from pipeline.comparison.replicates import alone, past_spreads, pool_of, pools
from pipeline.reports.store import Report, history_of
from pipeline.storage.paths import Paths
from tests.pipeline.comparison.example_scores import add, add_metrics


def stored(
    paths: Paths,
    optimizer: str,
    fids: Sequence[float | None],
    *,
    seed: int = 0,
    pool: str | None = None,
    steps: int = 9,
) -> Report:
    return add(paths, optimizer, fids, columns={"seed": seed, "pool": optimizer if pool is None else pool}, steps=steps)


def test_reports_of_one_pool_add_their_members(paths: Paths) -> None:
    stored(paths, "adam", [1.0, 2.0])
    newest = stored(paths, "adam", [3.0, 4.0, 5.0], seed=7)
    pooled = pool_of(newest, history_of(paths.reports()))
    assert pooled.members == ((0, 0), (0, 1), (7, 0), (7, 1), (7, 2))
    assert (pooled.values("fid"), pooled.count, pooled.looks) == ([1.0, 2.0, 3.0, 4.0, 5.0], 5, 2)


def test_reports_of_another_pool_or_configuration_are_left_out(paths: Paths) -> None:
    stored(paths, "adam", [1.0, 2.0], pool="other settings")
    stored(paths, "sgd", [1.0, 2.0], pool="adam")
    newest = stored(paths, "adam", [3.0, 4.0])
    assert pool_of(newest, history_of(paths.reports())).values("fid") == [3.0, 4.0]


def test_a_report_of_an_older_version_stands_alone(paths: Paths) -> None:
    stored(paths, "adam", [1.0], pool="")
    newest = stored(paths, "adam", [2.0], pool="", seed=1)
    assert pool_of(newest, history_of(paths.reports())).values("fid") == [2.0]


def test_a_member_that_was_scored_again_counts_once_with_its_newest_score(paths: Paths) -> None:
    stored(paths, "adam", [1.0, 2.0, 3.0])
    newest = stored(paths, "adam", [1.5, 2.5, 3.5, 4.5, 5.5])
    again = stored(paths, "adam", [1.5, 2.5, 3.5, 4.5, 5.5])
    pooled = pool_of(again, history_of(paths.reports()))
    assert (pooled.values("fid"), pooled.looks) == ([1.5, 2.5, 3.5, 4.5, 5.5], 2)
    assert len(pooled.reports) == 3
    assert alone(newest).looks == 1


def test_members_without_any_score_are_counted_as_diverged(paths: Paths) -> None:
    stored(paths, "adam", [1.0, None])
    newest = stored(paths, "adam", [None, 4.0], seed=1)
    assert pool_of(newest, history_of(paths.reports())).diverged == 2


def test_the_ranking_and_its_verdicts_use_all_replicates(paths: Paths) -> None:
    random = np.random.default_rng(0)
    for seed in range(4):
        for optimizer, mean in (("adam", 100.0), ("sgd", 108.0)):
            stored(paths, optimizer, random.normal(mean, 2, 3).tolist(), seed=seed)
    pooled, newest = (compare("mnist_mlp", ["adam", "sgd"], paths, newest=newest) for newest in (False, True))
    assert [configuration.facts(("members",)) for configuration in pooled.configurations] == [{"members": 12}] * 2
    (verdict,) = verdicts_on(pooled)
    assert (verdict.verdict, verdict.first_members, verdict.look, verdict.paired) == ("better", 12, 7, True)
    (alone_verdict,) = verdicts_on(newest)
    assert (alone_verdict.first_members, alone_verdict.look) == (3, 1)


def test_earlier_trainings_of_equal_steps_show_how_much_members_vary(paths: Paths) -> None:
    random = np.random.default_rng(1)
    for number in range(6):
        stored(paths, "adam", random.normal(100, 2, 4).tolist(), pool=f"rate {number}")
    stored(paths, "adam", random.normal(100, 2, 4).tolist(), pool="other budget", steps=1)
    for optimizer, mean in (("adam", 100.0), ("sgd", 109.0)):
        stored(paths, optimizer, random.normal(mean, 2, 3).tolist(), pool="now")
    ranking = compare("mnist_mlp", ["adam", "sgd"], paths)
    assert len(ranking.past) == 6
    assert verdicts_on(ranking)[0].verdict == "better"
    spreads = past_spreads(ranking.past, "fid", "log", [frozenset()] * 6)
    assert [spread.degrees_of_freedom for spread in spreads] == [3] * 6
    values = np.log(ranking.past[0].values("fid"))
    assert spreads[0].variance == pytest.approx(values.var(ddof=1))


def test_scores_that_were_measured_otherwise_show_nothing_about_the_spread(paths: Paths) -> None:
    add(paths, "adam", [1.0, 2.0, 3.0], columns={"pool": "x"}, n_generated=99)
    stored(paths, "adam", [1.0, 2.0])
    assert compare("mnist_mlp", ["adam"], paths).past == []


def test_a_collapse_in_an_earlier_training_does_not_hide_present_differences(paths: Paths) -> None:
    random = np.random.default_rng(2)
    for row, optimizer in enumerate(("adam", "sgd", "rmsprop", "sgd_adam")):
        stored(paths, optimizer, (20 * 1.1**row * np.exp(random.normal(0, 0.01, 3))).tolist())
    keys = ["adam", "sgd", "rmsprop", "sgd_adam"]
    before = [verdict.verdict for verdict in verdicts_on_best(compare("mnist_mlp", keys, paths))]
    stored(paths, "adam_ttur", [20.0, 20.2, 300.0])
    ranking = compare("mnist_mlp", keys, paths)
    assert len(ranking.past) == 1
    assert [verdict.verdict for verdict in verdicts_on_best(ranking)] == before == ["better"] * 3


def test_a_report_that_was_stored_again_without_a_pool_shows_the_spread_once(paths: Paths) -> None:
    for _ in range(5):
        add(paths, "adam", [1.0, 2.0, 3.0], training="one")
    assert [one.count for one in pools(history_of(paths.reports()))] == [3]


def test_a_metric_that_no_report_has_is_named_with_those_there_are(paths: Paths) -> None:
    evidence = [alone(stored(paths, name, [1.0, 2.0])) for name in ("adam", "sgd")]
    with pytest.raises(ValueError, match="metric 'kid': in no report; expected one of: fid"):
        compare_replicates(evidence, "kid")


def test_the_reports_decide_which_end_of_a_score_is_better(paths: Paths) -> None:
    for name, shift in (("adam", 0.0), ("sgd", 8.0)):
        values = [shift + value for value in (1.0, 1.1, 1.25)]
        add_metrics(paths, name, {"fid": values, "inception_score": [1.0, 1.1 + shift, 1.3], "spread": values})
    ranking = compare("mnist_mlp", ["adam", "sgd"], paths)
    assert verdicts_on(ranking, "spread") == []  # neither end is better
    (by_fid,), (by_score,) = verdicts_on(ranking), verdicts_on(ranking, "inception_score")
    assert ((by_fid.difference or 0) < 0, (by_score.difference or 0) < 0) == (True, True)
    assert (by_fid.verdict, by_score.verdict) == ("better", "undecided")


def test_members_that_collapsed_by_fid_are_left_out_of_every_score(paths: Paths) -> None:
    fids = {"adam": [100.0, 103.0, 99.0, 101.0], "sgd": [102.0, 98.0, 101.0, 900.0]}
    for name, values in fids.items():
        add_metrics(paths, name, {"fid": values, "inception_score": [9.0, 9.1, 9.2, 1.0 if values[3] > 500 else 9.3]})
    (verdict,) = verdicts_on(compare("mnist_mlp", ["adam", "sgd"], paths), "inception_score")
    assert (verdict.second_failed, verdict.second_members, verdict.difference) == ("1 of 4", 3, 0.0)
