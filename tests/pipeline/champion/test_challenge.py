from pipeline.champion.challenge import challenge
from pipeline.champion.promote import _reports_of
from pipeline.comparison.ranking import compare
from pipeline.reports.store import history_of
from pipeline.storage.paths import Paths
from tests.pipeline.champion.example_contenders import BAD, GOOD, contender, decide
from tests.pipeline.comparison.example_scores import add


def test_without_a_champion_everyone_with_a_score_may_be_promoted_in_the_order_of_the_ranking(paths: Paths) -> None:
    add(paths, "sgd", [5.0, 6.0])
    add(paths, "adam", [2.0, 3.0])
    add(paths, "rmsprop", [None, None])
    met = challenge(compare("mnist_mlp", ["adam", "sgd", "rmsprop"], paths), None, [])
    assert [configuration.optimizer for configuration in met.better] == ["adam", "sgd"]
    assert (met.verdicts, met.champion, met.obstacle) == ({}, None, "")


def test_a_new_seed_of_the_champions_configuration_is_evidence_and_no_challenger(paths: Paths) -> None:
    contender(paths, "adam", GOOD, pool="adam")
    contender(paths, "sgd", BAD, pool="sgd")
    champion = decide(paths).champion
    contender(paths, "adam", [fid + 1 for fid in GOOD], seed=1, pool="adam")
    contender(paths, "sgd", [fid + 1 for fid in BAD], seed=1, pool="sgd")
    ranking = compare("mnist_mlp", ["adam", "sgd"], paths)
    met = challenge(ranking, champion, _reports_of(champion, paths), history_of(paths.reports()))
    assert (met.champion, list(met.verdicts)) == ("adam", ["sgd"])
    assert (met.verdicts["sgd"].verdict, met.verdicts["sgd"].first_members, met.verdicts["sgd"].look) == ("worse", 6, 3)


def test_a_champion_of_other_settings_counts_with_all_its_replicates_and_once(paths: Paths) -> None:
    contender(paths, "adam", GOOD, pool="old rate")
    champion = decide(paths).champion
    contender(paths, "adam", [fid + 2 for fid in GOOD], seed=1, pool="old rate")
    contender(paths, "adam", BAD, seed=2, pool="new rate")
    ranking = compare("mnist_mlp", ["adam"], paths)
    assert len(ranking.past) == 1
    met = challenge(ranking, champion, _reports_of(champion, paths), history_of(paths.reports()))
    (verdict,) = met.verdicts.values()
    assert (verdict.first, verdict.second, verdict.second_members) == ("adam", "champion (adam)", 6)
    assert verdict.test == "Welch's t"  # no other training is left to share a variance with
