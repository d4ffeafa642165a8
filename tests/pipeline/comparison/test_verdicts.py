import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.comparison.protocol import UnlikeProtocolsError
from pipeline.comparison.verdicts import MemberScores, Verdict, compare_pairs, compare_reports, how_sure
from pipeline.reports import store
from pipeline.storage.paths import Paths

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def scores(name: str, values: Sequence[float | None], seed: int = 0) -> MemberScores:
    return MemberScores(name, seed, dict(enumerate(values)))


def fid(*configurations: MemberScores) -> list[Verdict]:
    return compare_pairs(configurations, "fid", lower_is_better=True)


def test_a_difference_that_every_member_shows_is_a_verdict() -> None:
    (verdict,) = fid(scores("adam", [100.0, 120.0, 140.0]), scores("sgd", [200.0, 221.0, 239.0]))
    # differences -100, -101, -99: mean -100, deviation 1, t = -173.2, half-width 4.302653 / √3
    assert (verdict.verdict, verdict.difference, verdict.members, verdict.paired) == ("better", -100.0, 3, True)
    assert (verdict.low, verdict.high) == pytest.approx((-102.4841, -97.5159), abs=1e-4)
    assert verdict.p == pytest.approx(3.333e-5, rel=1e-3)
    assert (verdict.corrected_p, verdict.more_members, verdict.note) == (verdict.p, None, "")
    assert str(verdict) == "adam is better"


def test_the_same_difference_the_other_way_round_is_the_opposite_verdict() -> None:
    good, bad = scores("adam", [100.0, 120.0, 140.0]), scores("sgd", [200.0, 221.0, 239.0])
    (verdict,) = fid(bad, good)
    assert (verdict.verdict, verdict.difference, str(verdict)) == ("worse", 100.0, "adam is better")
    (verdict,) = compare_pairs([bad, good], "inception_score", lower_is_better=False)
    assert (verdict.verdict, str(verdict)) == ("better", "sgd is better")


def test_pairing_detects_a_difference_that_the_spread_over_members_hides() -> None:
    first, second = [100.0, 200.0, 300.0], [110.0, 211.0, 309.0]
    assert fid(scores("adam", first), scores("sgd", second))[0].verdict == "better"
    (verdict,) = fid(scores("adam", first), scores("sgd", second, seed=1))
    assert (verdict.verdict, verdict.paired, verdict.members) == ("undecided", False, 3)
    assert "unpaired: seeds 0 and 1" in verdict.note


def test_an_undecided_pair_names_the_number_of_members_that_would_decide() -> None:
    (verdict,) = fid(scores("adam", [100.0, 130.0, 110.0]), scores("sgd", [120.0, 125.0, 140.0]))
    assert verdict.verdict == "undecided"
    assert verdict.more_members is not None
    assert str(verdict) == f"undecided: about {verdict.more_members} more members would decide"


def test_many_pairs_take_more_evidence_than_one() -> None:
    first, second = scores("a", [100.0, 101.0, 103.0]), scores("b", [108.0, 111.0, 113.0])
    assert fid(first, second)[0].verdict == "better"
    rest = [scores(f"noise{index}", np.random.default_rng(index).normal(105, 20, 3).tolist()) for index in range(3)]
    verdicts = fid(first, second, *rest)
    assert len(verdicts) == 10
    assert verdicts[0].verdict == "undecided"
    assert verdicts[0].corrected_p == pytest.approx(10 * (verdicts[0].p or 0))


def test_one_member_decides_nothing_and_the_verdict_names_the_missing_members() -> None:
    (verdict,) = fid(scores("adam", [1.0]), scores("sgd", [900.0, 800.0]))
    assert (verdict.verdict, verdict.p, verdict.low, verdict.difference) == ("undecided", None, None, -899.0)
    assert str(verdict) == "undecided; needs at least 2 members with a score of each"


def test_members_that_the_other_has_not_are_left_out_of_the_pairs() -> None:
    (verdict,) = fid(scores("adam", [1.0, 2.0, 3.0, 4.0]), scores("sgd", [11.0, 12.0, 13.1]))
    assert (verdict.members, verdict.note) == (3, "")
    assert verdict.difference == pytest.approx(-10.033333)


def test_differences_without_spread_are_no_evidence() -> None:
    (verdict,) = fid(scores("adam", [1.0, 2.0, 3.0]), scores("sgd", [2.0, 3.0, 4.0]))
    assert (verdict.verdict, verdict.difference, verdict.p, verdict.low, verdict.more_members) == (
        *("undecided", -1.0),
        *(None, None, None),
    )
    assert verdict.note == "the difference does not vary at all"
    (same,) = fid(scores("adam", [1.0, 2.0]), scores("sgd", [1.0, 2.0]))
    assert (same.verdict, same.difference, same.note) == ("undecided", 0.0, "equal in every member")


def test_a_configuration_that_lost_more_members_is_never_called_better() -> None:
    unstable, steady = scores("hot", [100.0, None, 120.0, 111.0]), scores("warm", [200.0, 210.0, 221.0, 210.0])
    (verdict,) = fid(unstable, steady)
    assert (verdict.verdict, verdict.members) == ("undecided", 3)
    assert verdict.corrected_p is not None
    assert verdict.corrected_p < 0.05
    assert str(verdict) == (
        "undecided; the one with the better scores lost more members; hot has no score for 1 of 4 members"
    )


def test_a_configuration_that_lost_more_members_may_be_called_worse() -> None:
    unstable, steady = scores("hot", [300.0, None, 320.0, 311.0]), scores("warm", [200.0, 210.0, 221.0, 210.0])
    (verdict,) = fid(steady, unstable)
    assert (verdict.verdict, verdict.note) == ("better", "hot has no score for 1 of 4 members")


def test_a_configuration_of_which_every_member_diverged_is_undecided() -> None:
    (verdict,) = fid(scores("warm", [1.0, 2.0, 4.0]), scores("hot", [None, None, None]))
    assert (verdict.verdict, verdict.difference, verdict.members) == ("undecided", None, 0)
    assert verdict.note == "needs at least 2 members with a score of each; hot has no score for 3 of 3 members"


def test_a_difference_that_no_practical_number_of_members_shows_is_marked() -> None:
    (verdict,) = fid(scores("adam", [1.0, 2.0, 3.0]), scores("sgd", [2.0, 0.0, 4.0]))
    assert (verdict.difference, verdict.more_members) == (0.0, None)
    assert str(verdict) == "undecided; more than 10,000 members would be needed"


def test_there_are_no_verdicts_without_a_pair() -> None:
    assert fid() == []
    assert fid(scores("adam", [1.0, 2.0])) == []


def add(
    paths: Paths,
    optimizer: str,
    values: Sequence[float | None],
    *,
    better: str = "lower",
    seed: int = 0,
    metric: str = "fid",
    **protocol: Any,
) -> store.Report:
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "seed": seed, "better": better}
    shared |= {"metric": metric, "protocol": json.dumps({"n_generated": 10, **protocol})}
    return store.append(
        paths.reports(), [{**shared, "member": member, "value": value} for member, value in enumerate(values)]
    )


def test_reports_give_the_verdicts_of_their_scores(paths: Paths) -> None:
    adam, sgd = add(paths, "adam", [100.0, None, 140.0, 3.0]), add(paths, "sgd", [200.0, 221.0, 239.0, 104.0], seed=0)
    assert compare_reports([adam, sgd], "fid") == fid(
        scores("adam", [100.0, None, 140.0, 3.0]), scores("sgd", [200.0, 221.0, 239.0, 104.0])
    )


def test_whether_higher_is_better_is_the_reports_to_say(paths: Paths) -> None:
    first, second = [
        add(paths, name, values, better="higher", metric="inception_score")
        for name, values in (("a", [1.0, 1.1, 1.2]), ("b", [9.0, 9.2, 9.1]))
    ]
    assert compare_reports([first, second], "inception_score")[0].verdict == "worse"


def test_a_score_that_is_neither_better_low_nor_high_gets_no_verdict(paths: Paths) -> None:
    reports = [add(paths, name, [1.0, 2.0], better="neither", metric="spread") for name in ("a", "b")]
    assert compare_reports(reports, "spread") == []


@pytest.mark.parametrize("unlike", [{"n_generated": 99}, {"extractor_sha256": "b"}])
def test_different_protocols_get_no_verdict_but_an_error(paths: Paths, unlike: dict[str, Any]) -> None:
    reports = [add(paths, "adam", [1.0, 2.0]), add(paths, "sgd", [3.0, 4.5], **unlike)]
    with pytest.raises(UnlikeProtocolsError, match=f"adam and sgd cannot be compared: {next(iter(unlike))}"):
        compare_reports(reports, "fid")


@pytest.mark.parametrize(("configurations", "bound"), [(2, "2.5"), (3, "4.4"), (7, "11.8")])
def test_few_members_come_with_the_difference_that_they_can_decide(
    paths: Paths, configurations: int, bound: str
) -> None:
    """For 2 degrees of freedom t = (2q - 1) / sqrt(2 q (1 - q)): 4.303, 7.649 and 20.46 at 0.05 over 1, 3, 21 pairs."""
    reports = [add(paths, f"c{number}", [1.0, 2.0, 4.0 + number]) for number in range(configurations)]
    said = how_sure(compare_reports(reports, "fid"))
    assert said.startswith(f"with 3 members nothing is decided unless the largest difference exceeds {bound} standard ")


def test_many_members_and_single_ones_need_no_such_sentence(paths: Paths) -> None:
    many = [add(paths, name, [float(member + shift) for member in range(6)]) for name, shift in (("a", 0), ("b", 1))]
    assert how_sure(compare_reports(many, "fid")) == ""
    assert how_sure(compare_reports([add(paths, name, [1.0]) for name in ("a", "b")], "fid")) == ""


def test_a_metric_that_no_report_has_is_named_with_those_there_are(paths: Paths) -> None:
    with pytest.raises(ValueError, match="metric 'kid': in no report; expected one of: fid"):
        compare_reports([add(paths, "adam", [1.0]), add(paths, "sgd", [2.0])], "kid")


def normal(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return random.normal(100, 10, shape)


def lognormal(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.exp(random.normal(4, 1, shape))


def normal_with_luck_of_the_seed(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return random.normal(100, 10, shape) + random.normal(0, 20, (1, shape[1]))


def share_of_comparisons_with_a_verdict(draw: Draw, shape: tuple[int, int], trials: int) -> float:
    """Configurations of one and the same distribution: every verdict is wrong."""
    random = np.random.default_rng(7)
    wrong = 0
    for _ in range(trials):
        drawn = [scores(f"c{index}", row.tolist()) for index, row in enumerate(draw(random, shape))]
        wrong += any(verdict.verdict != "undecided" for verdict in fid(*drawn))
    return wrong / trials


@pytest.mark.parametrize("draw", [normal, lognormal])
def test_equal_configurations_are_seldom_distinguished(draw: Draw) -> None:
    # at most 5 %; 250 trials may show 5 + 3 · 1.4 % by chance. Without Holm it is almost half (normal)
    assert share_of_comparisons_with_a_verdict(draw, (6, 3), 250) <= 0.092


@pytest.mark.slow
@pytest.mark.parametrize("members", [3, 5])
@pytest.mark.parametrize("draw", [normal, lognormal, normal_with_luck_of_the_seed])
def test_equal_configurations_are_distinguished_in_at_most_5_percent_of_comparisons(draw: Draw, members: int) -> None:
    assert share_of_comparisons_with_a_verdict(draw, (6, members), 4000) <= 0.05 + 3 * 0.00345


@pytest.mark.parametrize(("members", "deviation"), [(3, 1.0), (5, 5.0)])
def test_well_separated_configurations_are_all_distinguished(members: int, deviation: float) -> None:
    random = np.random.default_rng(8)
    means = 100.0 * 2 ** np.arange(4)[:, None]  # 100, 200, 400, 800: at least 70 or 14 deviations of the difference
    decided = []
    for _ in range(50):
        drawn = means + random.normal(0, deviation, (4, members))
        verdicts = fid(*(scores(f"c{index}", row.tolist()) for index, row in enumerate(drawn)))
        decided += [verdict.verdict for verdict in verdicts]
    assert "worse" not in decided
    assert decided.count("better") / len(decided) > 0.99


def test_the_suggested_members_decide_in_80_percent_of_repeats() -> None:
    values = np.array([-3.0, 8.0, 10.0])
    (seen,) = fid(scores("adam", values.tolist()), scores("sgd", [0.0, 0.0, 0.0]))
    assert seen.more_members is not None
    random = np.random.default_rng(9)
    drawn = random.normal(values.mean(), values.std(ddof=1), (600, 3 + seen.more_members))
    nothing = scores("sgd", [0.0] * drawn.shape[1])
    decided = np.mean([fid(scores("adam", row.tolist()), nothing)[0].verdict == "worse" for row in drawn])
    assert decided == pytest.approx(0.81, abs=0.05)
