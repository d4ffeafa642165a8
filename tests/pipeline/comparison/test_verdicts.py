from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
import scipy.stats

from pipeline.comparison.members import MemberScores
from pipeline.comparison.rules import (
    ALL_PAIRS,
    Choices,
    Family,
    Rules,
    best_against_rest,
    fixed_against_rest,
)
from pipeline.comparison.verdicts import Verdict, compare_pairs, how_sure, seen_by_first
from pipeline.metrics.metric import Scale

PLAIN = Choices(test="plain")


def scores(name: str, values: Sequence[float | None], seed: int = 0, looks: int = 1) -> MemberScores:
    return MemberScores(name, {(seed, index): value for index, value in enumerate(values)}, looks)


def judge(
    *configurations: MemberScores, family: Family = ALL_PAIRS, scale: Scale = "linear", choices: Choices | None = None
) -> list[Verdict]:
    rules = Rules("fid", lower_is_better=True, scale=scale, choices=choices or Choices())
    return compare_pairs(configurations, rules, family)


def fid(*configurations: MemberScores, family: Family = ALL_PAIRS) -> list[Verdict]:
    """Verdicts of the default test of FID."""
    return judge(*configurations, family=family, scale="log")


def plain(*configurations: MemberScores) -> list[Verdict]:
    return judge(*configurations, choices=PLAIN)


# ---------------------------------------------------------------------------------------------------------------------
# The plain test


def test_a_plain_verdict_is_a_paired_t_test() -> None:
    (verdict,) = plain(scores("adam", [100.0, 120.0, 140.0]), scores("sgd", [200.0, 221.0, 239.0]))
    # differences -100, -101, -99: mean -100, deviation 1, t = -173.2, half-width 4.302653 / √3
    assert (verdict.verdict, verdict.difference, verdict.members, verdict.paired) == ("better", -100.0, 3, True)
    assert (verdict.low, verdict.high) == pytest.approx((-102.4841, -97.5159), abs=1e-4)
    assert verdict.p == pytest.approx(3.333e-5, rel=1e-3)
    assert (verdict.corrected_p, verdict.more_members, verdict.note) == (verdict.p, None, "")
    assert (str(verdict), verdict.test) == ("adam is better", "paired t")


def test_plain_tests_are_corrected_for_all_pairs_and_for_no_looks() -> None:
    first, second = scores("a", [100.0, 101.0, 103.0], looks=9), scores("b", [108.0, 111.0, 113.0])
    assert plain(first, second)[0].verdict == "better"
    rest = [scores(f"noise{index}", np.random.default_rng(index).normal(105, 20, 3).tolist()) for index in range(3)]
    verdicts = plain(first, second, *rest)
    assert len(verdicts) == 10
    assert verdicts[0].corrected_p == pytest.approx(10 * (verdicts[0].p or 0))
    best = judge(first, second, *rest, choices=PLAIN, family=best_against_rest("b"))
    assert [(verdict.first, verdict.second) for verdict in best] == [
        ("b", name) for name in ("a", *(r.name for r in rest))
    ]
    assert best[0].corrected_p == verdicts[0].corrected_p


# ---------------------------------------------------------------------------------------------------------------------
# Directions


def test_the_same_difference_the_other_way_round_is_the_opposite_verdict() -> None:
    good, bad = scores("adam", [100.0, 120.0, 140.0]), scores("sgd", [200.0, 221.0, 239.0])
    (verdict,) = judge(bad, good)
    assert (verdict.verdict, verdict.difference, str(verdict)) == ("worse", 100.0, "adam is better")
    (verdict,) = compare_pairs([bad, good], Rules("inception_score", lower_is_better=False))
    assert (verdict.verdict, str(verdict)) == ("better", "sgd is better")


def test_an_exchanged_verdict_is_the_verdict_on_exchanged_configurations() -> None:
    first, second = scores("a", [100.0, 120.0, 141.0, None]), scores("b", [200.0, 221.0, 239.0, 205.0])
    (one,), (other,) = judge(first, second), judge(second, first)
    exchanged, expected = asdict(seen_by_first(one, "a")), asdict(other)
    notes = exchanged.pop("note"), expected.pop("note")
    assert exchanged == expected
    assert set(notes[0].split("; ")) == set(notes[1].split("; "))
    assert seen_by_first(one, "b") is one


# ---------------------------------------------------------------------------------------------------------------------
# Shared variance, logarithms


def test_other_configurations_show_how_much_members_vary() -> None:
    """One configuration is better by 4 deviations. Its pair alone has 2 degrees of freedom, all seven have 12."""
    values = np.random.default_rng(3).normal(100, 1, (7, 3))
    values[0] -= 6
    configurations = [scores(f"c{row}", of.tolist()) for row, of in enumerate(values)]
    together = judge(*configurations, family=best_against_rest("c0"))
    assert [verdict.verdict for verdict in together] == ["better"] * 6
    assert {verdict.verdict for verdict in plain(*configurations) if verdict.first == "c0"} == {"undecided"}
    assert {verdict.test for verdict in together} == {"moderated paired t"}


def test_scores_in_proportion_are_compared_by_their_logarithms() -> None:
    logs = np.random.default_rng(0).normal(5, 0.2, (2, 4))
    logs[1] += 1
    (verdict,) = fid(*(scores(f"c{row}", np.exp(of).tolist()) for row, of in enumerate(logs)))
    expected = scipy.stats.ttest_rel(*logs)
    assert verdict.p == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(1 - 0.05 / 2)  # the first look has half of the level
    geometric = np.exp(logs[1].mean())
    assert verdict.difference == pytest.approx(np.exp(logs[0].mean()) - geometric)
    assert (verdict.low, verdict.high) == pytest.approx((geometric * np.expm1(low), geometric * np.expm1(high)))


def test_scores_that_reach_0_have_no_logarithm_and_are_compared_themselves() -> None:
    first, second = scores("a", [0.0, 1.0, 2.0]), scores("b", [5.0, 6.5, 7.0])
    assert fid(first, second) == judge(first, second)


# ---------------------------------------------------------------------------------------------------------------------
# Many pairs, many looks


def test_the_interval_leaves_0_out_exactly_if_the_scores_decide() -> None:
    random = np.random.default_rng(5)
    decided = set()
    for _ in range(60):
        values = np.exp(random.normal(0, 0.2, (5, 4)) + random.normal(0, 0.4, (5, 1)))
        for verdict in judge(*(scores(f"c{row}", of.tolist()) for row, of in enumerate(values)), scale="log"):
            assert verdict.low is not None
            assert verdict.high is not None
            assert (verdict.low > 0 or verdict.high < 0) == (verdict.verdict in ("better", "worse"))
            decided.add(verdict.verdict)
    assert decided >= {"better", "worse", "undecided"}


def test_a_later_look_takes_more_evidence() -> None:
    first, second = [100.0, 101.0, 103.0, 99.0], [108.0, 109.0, 113.0, 110.0]
    (one,) = judge(scores("a", first), scores("b", second))
    (later,) = judge(scores("a", first, looks=3), scores("b", second, looks=3))
    assert (one.look, later.look) == (1, 5)
    assert one.corrected_p == pytest.approx(2 * (one.p or 0))
    assert later.corrected_p == pytest.approx(30 * (later.p or 0))
    assert later.p == one.p


def test_a_champion_is_compared_with_each_other_one_only() -> None:
    values = np.random.default_rng(8).normal(100, 1, (4, 5))
    configurations = [scores(f"c{row}", of.tolist()) for row, of in enumerate(values)]
    verdicts = judge(*configurations, family=fixed_against_rest("c2"))
    assert [(verdict.first, verdict.second) for verdict in verdicts] == [("c2", "c0"), ("c2", "c1"), ("c2", "c3")]
    smallest = min(verdicts, key=lambda verdict: verdict.p or 1)
    assert smallest.corrected_p == pytest.approx(min(1, 2 * 3 * (smallest.p or 0)))


# ---------------------------------------------------------------------------------------------------------------------
# Undecided, tied


def test_an_undecided_pair_names_the_number_of_members_that_would_decide() -> None:
    (verdict,) = judge(scores("adam", [100.0, 130.0, 110.0]), scores("sgd", [120.0, 125.0, 140.0]))
    assert verdict.verdict == "undecided"
    assert verdict.more_members is not None
    assert str(verdict) == f"undecided: about {verdict.more_members} more members would decide"


def test_scores_within_the_margin_are_tied() -> None:
    random = np.random.default_rng(1)
    values = 100 * np.exp(random.normal(0, 0.01, (2, 12)))
    (verdict,) = fid(*(scores(f"c{row}", of.tolist()) for row, of in enumerate(values)))
    assert (verdict.verdict, verdict.more_members) == ("tied", None)
    assert str(verdict) == "tied; they differ by less than 5 %"
    narrow = judge(
        *(scores(f"c{row}", of.tolist()) for row, of in enumerate(values)), scale="log", choices=Choices(margin=1e-4)
    )
    assert narrow[0].verdict == "undecided"


def test_a_difference_that_is_certain_but_within_the_margin_is_a_tie() -> None:
    base = np.random.default_rng(2).normal(100, 5, 10)
    (verdict,) = fid(scores("a", base.tolist()), scores("b", (base * np.linspace(1.009, 1.011, 10)).tolist()))
    assert verdict.verdict == "tied"
    assert verdict.corrected_p is not None
    assert verdict.corrected_p < 0.05


def test_a_tie_holds_at_the_level_of_all_pairs() -> None:
    """A pair that the step-down correction tests last still needs the interval of the first step."""
    random = np.random.default_rng(11)
    values = 100 * np.exp(random.normal(0, 0.005, (7, 5)) + np.log(1.05) * (np.arange(7) > 0)[:, None])
    configurations = [scores(f"c{row}", of.tolist()) for row, of in enumerate(values)]
    assert "tied" not in {verdict.verdict for verdict in fid(*configurations, family=best_against_rest("c0"))}


def test_an_interval_without_end_is_infinite_and_costs_no_error() -> None:
    (verdict,) = fid(scores("a", [10.0, 300.0], looks=5), scores("b", [12.0, 12.2], looks=5))
    assert (verdict.verdict, verdict.high) == ("undecided", np.inf)
    assert verdict.low is not None
    assert -12.2 < verdict.low < 0


def test_one_member_decides_nothing_and_the_verdict_names_the_missing_members() -> None:
    (verdict,) = fid(scores("adam", [1.0]), scores("sgd", [900.0, 800.0]))
    assert (verdict.verdict, verdict.p, verdict.low) == ("undecided", None, None)
    assert verdict.difference == pytest.approx(-899.0)
    assert str(verdict) == "undecided; needs at least 2 members with a score of each"


def test_members_that_the_other_has_not_are_left_out_of_the_pairs() -> None:
    (verdict,) = judge(scores("adam", [1.0, 2.0, 3.0, 4.0]), scores("sgd", [11.0, 12.0, 13.1]))
    assert (verdict.members, verdict.note) == (3, "")
    assert verdict.difference == pytest.approx(-10.033333)


def test_members_of_other_seeds_are_compared_as_independent_groups() -> None:
    first, second = [100.0, 200.0, 300.0], [110.0, 211.0, 309.0]
    (verdict,) = judge(scores("adam", first), scores("sgd", second, seed=1))
    assert (verdict.verdict, verdict.paired, verdict.members) == ("undecided", False, 3)
    assert verdict.test == "Welch's t"  # two configurations have no others to share a variance with
    assert verdict.p == pytest.approx(scipy.stats.ttest_ind(first, second, equal_var=False).pvalue)
    assert "unpaired: no seed in common" in verdict.note


def test_pairs_and_independent_members_are_used_together() -> None:
    random = np.random.default_rng(4)
    first = MemberScores("a", {(seed, m): float(random.normal(100, 3)) for seed in (0, 1) for m in range(4)}, 2)
    second = MemberScores("b", {(seed, m): float(random.normal(150, 3)) for seed in (0, 2) for m in range(4)}, 2)
    (verdict,) = judge(first, second)
    assert (verdict.verdict, verdict.paired, verdict.first_members, verdict.second_members) == ("better", False, 8, 8)
    assert (verdict.test, verdict.note) == ("partly paired t", "4 pairs of members, the rest unpaired")


def test_differences_without_spread_are_no_evidence() -> None:
    (verdict,) = judge(scores("adam", [1.0, 2.0, 3.0]), scores("sgd", [2.0, 3.0, 4.0]))
    assert (verdict.verdict, verdict.difference, verdict.p, verdict.low, verdict.more_members) == (
        *("undecided", -1.0),
        *(None, None, None),
    )
    assert verdict.note == "the difference does not vary at all"
    (same,) = judge(scores("adam", [1.0, 2.0]), scores("sgd", [1.0, 2.0]))
    assert (same.verdict, same.difference, same.note) == ("undecided", 0.0, "equal in every member")


def test_a_difference_that_no_practical_number_of_members_shows_is_marked() -> None:
    (verdict,) = judge(scores("adam", [1.0, 2.0, 3.0]), scores("sgd", [2.0, 0.0, 4.0]))
    assert (verdict.difference, verdict.more_members) == (0.0, None)
    assert str(verdict) == "undecided; more than 10,000 members would be needed"


def test_a_score_that_no_member_has_is_undecided_in_few_words() -> None:
    (verdict,) = fid(scores("adam", [None, None]), scores("sgd", [None, None]))
    assert (str(verdict), verdict.p) == ("undecided; no member has a score", 1.0)


def test_there_are_no_verdicts_without_a_pair() -> None:
    assert fid() == []
    assert fid(scores("adam", [1.0, 2.0])) == []


# ---------------------------------------------------------------------------------------------------------------------
# Failed members


def test_a_configuration_that_lost_more_members_is_never_called_better_by_the_others() -> None:
    unstable, steady = scores("hot", [100.0, None, 120.0, 111.0]), scores("warm", [200.0, 210.0, 221.0, 210.0])
    (verdict,) = judge(unstable, steady)
    assert (verdict.verdict, verdict.members) == ("undecided", 3)
    assert verdict.corrected_p is not None
    assert verdict.corrected_p < 0.05
    assert str(verdict) == (
        "undecided; the one with the better scores lost more members; hot: 1 of 4 members without a score"
    )


def test_a_configuration_that_lost_more_members_may_be_called_worse() -> None:
    unstable, steady = scores("hot", [300.0, None, 320.0, 311.0]), scores("warm", [200.0, 210.0, 221.0, 210.0])
    (verdict,) = judge(steady, unstable)
    assert (verdict.verdict, verdict.note) == ("better", "hot: 1 of 4 members without a score")


def test_one_failure_more_among_many_members_does_not_hide_a_difference() -> None:
    base = np.random.default_rng(0).normal(100, 3, 20)
    unstable = scores("hot", [None, *base[1:].tolist()])
    (verdict,) = judge(unstable, scores("warm", (base + np.linspace(49, 51, 20)).tolist()))
    assert (verdict.verdict, verdict.first_failed, verdict.second_failed) == ("better", "1 of 20", "0 of 20")


def test_a_configuration_of_which_every_member_diverged_is_undecided_while_members_are_few() -> None:
    (verdict,) = fid(scores("warm", [1.0, 2.0, 4.0]), scores("hot", [None, None, None]))
    assert (verdict.verdict, verdict.difference, verdict.members) == ("undecided", None, 0)
    assert verdict.p == pytest.approx(2 * scipy.stats.fisher_exact([[0, 3], [3, 0]]).pvalue)
    assert verdict.note == "needs at least 2 members with a score of each; hot: 3 of 3 members without a score"


def test_failures_alone_may_decide() -> None:
    random = np.random.default_rng(0)
    steady, other = random.normal(100, 5, (2, 8))
    (verdict,) = fid(scores("warm", steady.tolist()), scores("hot", [None] * 7 + [float(other[7])]))
    assert (verdict.verdict, verdict.test) == ("better", "Fisher's exact test of failures")
    assert verdict.p == pytest.approx(2 * scipy.stats.fisher_exact([[0, 8], [7, 1]]).pvalue)
    assert verdict.note == "needs at least 2 members with a score of each; hot: 7 of 8 members without a score"


def test_collapsed_members_are_counted_and_left_out_of_the_scores() -> None:
    random = np.random.default_rng(1)
    steady, unstable = 100 * np.exp(random.normal(0, 0.03, (2, 8)))
    unstable[:3] *= 4
    (verdict,) = fid(scores("warm", steady.tolist()), scores("hot", unstable.tolist()))
    assert (verdict.first_failed, verdict.second_failed, verdict.first_members) == ("0 of 8", "3 of 8", 5)
    assert verdict.verdict == "undecided"
    assert "hot: 3 of 8 members collapsed" in verdict.note
    assert verdict.difference == pytest.approx(np.exp(np.log(steady[3:]).mean()) - np.exp(np.log(unstable[3:]).mean()))


def test_configurations_that_collapsed_as_a_whole_keep_their_counts() -> None:
    verdicts = fid(
        scores("a", [10.0, 10.1, 10.2, 10.3, 10.15, 300.0]),
        scores("b", [300.0, 301.0, 302.0]),
        scores("c", [310.0, 300.0, 305.0]),
    )
    (both,) = [verdict for verdict in verdicts if (verdict.first, verdict.second) == ("b", "c")]
    assert (both.first_failed, both.second_failed) == ("3 of 3", "3 of 3")
    assert "b: 3 of 3 members collapsed" in both.note


def test_fewer_failures_do_not_win_over_significantly_worse_scores() -> None:
    random = np.random.default_rng(2)
    steady = 200 * np.exp(random.normal(0, 0.02, 20))
    unstable = 100 * np.exp(random.normal(0, 0.02, 20))
    failed = [None if index < 15 else float(value) for index, value in enumerate(unstable)]
    (verdict,) = fid(scores("steady", steady.tolist()), scores("unstable", failed))
    assert verdict.verdict == "undecided"
    assert verdict.note.startswith(
        ("the one that lost fewer members has the worse scores", "the one with the better scores")
    )


# ---------------------------------------------------------------------------------------------------------------------
# Cautions


def test_few_members_come_with_the_difference_that_stays_undecided() -> None:
    verdicts = judge(scores("a", [100.0, 120.0, 140.0]), scores("b", [110.0, 131.0, 149.0]))
    (verdict,) = verdicts
    assert verdict.low is not None
    assert verdict.high is not None
    assert verdict.difference is not None
    half_width = float(f"{verdict.difference - verdict.low:.2g}")
    expected = f"with 3 members, differences of less than about {half_width:.1f} stay undecided"
    assert how_sure(verdicts).startswith(expected)
    assert "about 490 stay" in how_sure([replace(verdict, difference=0.0, low=-490.4, high=900.0)])


def test_many_members_and_single_ones_need_no_such_sentence() -> None:
    many = np.random.default_rng(0).normal(100, 3, (2, 6)).tolist()
    assert how_sure(judge(scores("a", many[0]), scores("b", many[1]))) == ""
    assert how_sure(judge(scores("a", [1.0]), scores("b", [2.0]))) == ""


# ---------------------------------------------------------------------------------------------------------------------
# Error rates: benchmarks/verdicts.py and test_simulations.py measure them; these are quick looks


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_equal_configurations_are_seldom_distinguished(spread: float) -> None:
    # At most 5 %; 120 trials may show 5 + 3 · 2 % by chance. Without a correction it is almost half.
    random = np.random.default_rng(7)
    wrong = 0
    for _ in range(120):
        drawn = np.exp(random.normal(4, spread, (6, 3)))
        verdicts = fid(*(scores(f"c{index}", row.tolist()) for index, row in enumerate(drawn)))
        wrong += any(verdict.verdict in ("better", "worse") for verdict in verdicts)
    assert wrong / 120 <= 0.11


@pytest.mark.parametrize(("members", "deviation"), [(3, 1.0), (5, 5.0)])
def test_well_separated_configurations_are_all_distinguished(members: int, deviation: float) -> None:
    random = np.random.default_rng(8)
    means = 100.0 * 2 ** np.arange(4)[:, None]  # 100, 200, 400, 800
    decided = []
    for _ in range(50):
        drawn = means + random.normal(0, deviation, (4, members))
        verdicts = fid(*(scores(f"c{index}", row.tolist()) for index, row in enumerate(drawn)))
        decided += [verdict.verdict for verdict in verdicts]
    assert "worse" not in decided
    assert decided.count("better") / len(decided) > 0.99


def test_the_suggested_members_decide_in_80_percent_of_repeats() -> None:
    values = np.array([-3.0, 8.0, 10.0])
    (seen,) = judge(scores("adam", values.tolist()), scores("sgd", [0.0, 0.0, 0.0]))
    assert seen.more_members is not None
    random = np.random.default_rng(9)
    drawn = random.normal(values.mean(), values.std(ddof=1), (600, 3 + seen.more_members))
    nothing = replace(scores("sgd", [0.0] * drawn.shape[1]), looks=2)
    decided = np.mean([judge(scores("adam", row.tolist(), looks=2), nothing)[0].verdict == "worse" for row in drawn])
    assert decided == pytest.approx(0.81, abs=0.05)
