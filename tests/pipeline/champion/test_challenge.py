from pipeline.champion.challenge import challenge
from pipeline.comparison.ranking import compare
from pipeline.storage.paths import Paths
from tests.pipeline.comparison.example_scores import add


def test_without_a_champion_everyone_with_a_score_may_be_promoted_in_the_order_of_the_ranking(paths: Paths) -> None:
    add(paths, "sgd", [5.0, 6.0])
    add(paths, "adam", [2.0, 3.0])
    add(paths, "rmsprop", [None, None])
    met = challenge(compare("mnist_mlp", ["adam", "sgd", "rmsprop"], paths), None, [])
    assert [configuration.optimizer for configuration in met.better] == ["adam", "sgd"]
    assert (met.verdicts, met.champion, met.obstacle) == ({}, None, "")
