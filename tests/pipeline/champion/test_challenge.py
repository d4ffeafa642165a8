from pipeline.champion.challenge import challenge, seen_by_first
from pipeline.comparison.ranking import compare, verdicts_on
from pipeline.storage.paths import Paths
from tests.pipeline.comparison.example_scores import add


def test_a_verdict_seen_from_the_other_side_is_its_mirror_image(paths: Paths) -> None:
    add(paths, "adam", [100.0, 104.0, 101.0])
    add(paths, "sgd", [300.0, 310.0, 295.0])
    (verdict,) = verdicts_on(compare("mnist_mlp", ["adam", "sgd"], paths))
    assert (verdict.first, verdict.verdict) == ("adam", "better")
    assert seen_by_first(verdict, "sgd") is verdict
    other = seen_by_first(verdict, "adam")
    assert (other.first, other.second, other.verdict) == ("sgd", "adam", "worse")
    assert (other.difference, other.low, other.high) == (
        -(verdict.difference or 0),
        -(verdict.high or 0),
        -(verdict.low or 0),
    )
    assert (other.p, other.corrected_p, other.members) == (verdict.p, verdict.corrected_p, verdict.members)
    assert seen_by_first(other, "sgd") == verdict


def test_without_a_champion_everyone_with_a_score_may_be_promoted_in_the_order_of_the_ranking(paths: Paths) -> None:
    add(paths, "sgd", [5.0, 6.0])
    add(paths, "adam", [2.0, 3.0])
    add(paths, "rmsprop", [None, None])
    met = challenge(compare("mnist_mlp", ["adam", "sgd", "rmsprop"], paths), None, [])
    assert [configuration.optimizer for configuration in met.better] == ["adam", "sgd"]
    assert (met.verdicts, met.champion, met.obstacle) == ({}, None, "")
