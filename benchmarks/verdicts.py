"""Verdicts: how often they are wrong, and how often they see a difference, beside the plain t test in the same run.

    python -m benchmarks.verdicts [--repeats 2000] [--nights 100] [--spans 1000] [--only equal better nights]
    python -m benchmarks.verdicts --again mnist_mlp one other

Seven configurations of three members are drawn from known distributions and judged with `compare_pairs`, the function
that the ranking and the champion use. Every figure is a share of repeats. The plain test is the former one: a t test
of each pair by itself on the newest report, Holm's correction over all pairs.

`--again` reads the members' FID of two configurations of equal settings from the report store (A/A). It deals all of
them at random into two groups, 20 times, and judges these after 3, 5, 8, 12 and 20 members.

Distributions of FID, all with a common effect of each member (equal seeds are lucky together):
- normal: 1000 with a deviation of 20; lognormal: the logarithm has a deviation of 0.5;
- variance e±0.5 and so on: each configuration's log variance, or log deviation, is drawn from a normal distribution of
  that deviation. "spread e±1" means deviations that differ by a factor of e, the harder reading of the figure;
- collapse 0.3: a deviation of 5 %, and each member has three times the score with that probability.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.comparison.members import MemberScores
from pipeline.comparison.replicates import pool_of
from pipeline.comparison.rules import ALL_PAIRS, Choices, Family, Rules, best_against_rest, fixed_against_rest
from pipeline.comparison.verdicts import BETTER, TIED, UNDECIDED, Verdict, compare_pairs
from pipeline.reports.store import history_of
from pipeline.storage.paths import Paths

CONFIGURATIONS, MEMBERS = 7, 3
SEED = 20_260_101
SIZES, RESAMPLINGS = (3, 5, 8, 12, 20), 20  # of the test of equal configurations
SHARED_EFFECT = 1.0  # deviation of the members' common effect, in deviations of one member
Scores: TypeAlias = npt.NDArray[np.float64]  # (K, N): one row per configuration
Seeds: TypeAlias = Literal["equal", "part", "own"]
Draw: TypeAlias = Callable[[np.random.Generator, float, int], Scores]  # advantage of the first, members → scores

SEEDS: tuple[Seeds, ...] = ("equal", "part", "own")
NEW = Rules("fid", lower_is_better=True, scale="log")
PLAIN = Rules("fid", lower_is_better=True, scale="log", choices=Choices(test="plain"))


def draw_normal(random: np.random.Generator, advantage: float, members: int, log_deviation: float = 0.0) -> Scores:
    """Return scores around 1000; the first configuration is better by `advantage` deviations."""
    deviations = np.exp(log_deviation * random.normal(size=(CONFIGURATIONS, 1)))
    values = deviations * random.normal(size=(CONFIGURATIONS, members)) + SHARED_EFFECT * random.normal(size=members)
    values[0] -= advantage
    return np.maximum(1000 + 20 * values, 1.0)


def draw_lognormal(random: np.random.Generator, advantage: float, members: int) -> Scores:
    """Return scores with logarithms of deviation 0.5."""
    values = random.normal(size=(CONFIGURATIONS, members)) + SHARED_EFFECT * random.normal(size=members)
    values[0] -= advantage
    scores: Scores = 300 * np.exp(0.5 * values)
    return scores


def draw_collapsing(random: np.random.Generator, advantage: float, members: int, probability: float) -> Scores:
    """Return scores with a deviation of 5 %, of which some are three times as large."""
    scores: Scores = 100 * np.exp(0.1 * np.log(draw_lognormal(random, advantage, members) / 300))
    return scores * np.where(random.random(scores.shape) < probability, 3.0, 1.0)


DISTRIBUTIONS: dict[str, Draw] = {
    "normal": draw_normal,
    "lognormal": draw_lognormal,
    "variance e±0.5": partial(draw_normal, log_deviation=0.25),
    "spread e±0.5": partial(draw_normal, log_deviation=0.5),
    "variance e±1": partial(draw_normal, log_deviation=0.5),
    "spread e±1": partial(draw_normal, log_deviation=1.0),
    "collapse 0.1": partial(draw_collapsing, probability=0.1),
    "collapse 0.3": partial(draw_collapsing, probability=0.3),
    "collapse 0.5": partial(draw_collapsing, probability=0.5),
}


def names(scores: Scores) -> list[str]:
    """Return one name per row."""
    return [f"c{row}" for row in range(len(scores))]


def members_of(scores: Scores, looks: int = 1) -> list[MemberScores]:
    """Return the rows as members' scores; each look brought as many members, of a seed of their own."""
    each = scores.shape[1] // looks
    keys = [divmod(column, each) for column in range(scores.shape[1])]
    return [
        MemberScores(name, dict(zip(keys, row.tolist(), strict=True)), looks)
        for name, row in zip(names(scores), scores, strict=True)
    ]


def judge(scores: Scores, rules: Rules, family: Family, looks: int = 1) -> list[Verdict]:
    """Return the verdicts on drawn scores."""
    return compare_pairs(members_of(scores, looks), rules, family)


def best_family(scores: Scores) -> Family:
    """Return the pairs of the row with the best mean."""
    return best_against_rest(f"c{int(scores.mean(axis=1).argmin())}")


def is_decided(verdict: Verdict) -> bool:
    """Return whether a verdict calls one of the two better."""
    return verdict.verdict not in (TIED, UNDECIDED)


@dataclass(frozen=True)
class Share:
    """A share of repeats, in percent, for verdicts on the best, on all pairs, and for the plain test."""

    best: float
    all_pairs: float
    plain: float

    def __str__(self) -> str:
        return f"best against rest {self.best:5.1f} %   all pairs {self.all_pairs:5.1f} %   plain {self.plain:5.1f} %"


def false_verdicts(draw: Draw, repeats: int, members: int = MEMBERS) -> Share:
    """Return how often equal configurations get any verdict."""
    random = np.random.default_rng(SEED)
    wrong = np.zeros(3)
    for _ in range(repeats):
        scores = draw(random, 0.0, members)
        verdicts = (
            judge(scores, NEW, best_family(scores)),
            judge(scores, NEW, ALL_PAIRS),
            judge(scores, PLAIN, ALL_PAIRS),
        )
        wrong += [any(map(is_decided, one)) for one in verdicts]
    return Share(*(100 * wrong / repeats))


def false_verdicts_of_seeds(seeds: Seeds, configurations: int, members: int, repeats: int) -> float:
    """Return how often equal configurations get any verdict if they share all, a half or none of their seeds.

    "part": each has `members` members of a common seed and as many of its own, in one report. In percent, all pairs.
    """
    random = np.random.default_rng(SEED)
    wrong = 0
    for _ in range(repeats):
        shared = random.normal(size=(configurations, members)) + SHARED_EFFECT * random.normal(size=members)
        own = np.sqrt(1 + SHARED_EFFECT**2) * random.normal(size=(configurations, members))
        rows = []
        for row in range(configurations):
            scores: dict[tuple[int, int], float] = {}
            if seeds != "own":
                scores |= {(0, member): float(np.exp(0.3 * shared[row, member])) for member in range(members)}
            if seeds != "equal":
                scores |= {(1 + row, member): float(np.exp(0.3 * own[row, member])) for member in range(members)}
            rows.append(MemberScores(f"c{row}", scores))
        wrong += any(map(is_decided, compare_pairs(rows, NEW)))
    return 100 * wrong / repeats


def power(draw: Draw, advantage: float, repeats: int, members: int = MEMBERS) -> Share:
    """Return how many of the six pairs of the better configuration are decided for it, on average."""
    random = np.random.default_rng(SEED)
    right = np.zeros(3)
    for _ in range(repeats):
        scores = draw(random, advantage, members)
        verdicts = (
            judge(scores, NEW, best_family(scores)),
            judge(scores, NEW, ALL_PAIRS),
            judge(scores, PLAIN, ALL_PAIRS),
        )
        right += [sum(one.first == "c0" and one.verdict == BETTER for one in of) for of in verdicts]
    return Share(*(100 * right / repeats / (CONFIGURATIONS - 1)))


@dataclass(frozen=True)
class Span:
    """The night of the first promotion in a span, from 1, by each test; None if there is none."""

    pooled: int | None
    plain: int | None


def nightly(random: np.random.Generator, advantage: float, nights: int) -> Span:
    """Retrain seven configurations every night with another seed, and promote the first that is better.

    The champion is the last configuration, promoted before the first night. The first configuration is better by
    `advantage` deviations. The pooled test has all nights' members, the plain one those of the night.
    """
    scores = np.concatenate([draw_normal(random, advantage, MEMBERS) for _ in range(nights)], axis=1)
    pooled = plain = None
    for night in range(1, nights + 1):
        so_far, last = scores[:, : night * MEMBERS], scores[:, (night - 1) * MEMBERS : night * MEMBERS]
        if pooled is None and _is_promoted(judge(so_far, NEW, CHAMPION, looks=night)):
            pooled = night
        if plain is None and _is_promoted(judge(last, PLAIN, CHAMPION)):
            plain = night
        if pooled is not None and (plain is not None or advantage > 0):
            break
    return Span(pooled, plain)


CHAMPION = fixed_against_rest(f"c{CONFIGURATIONS - 1}")


def _is_promoted(verdicts: Sequence[Verdict]) -> bool:
    return any(verdict.verdict == "worse" for verdict in verdicts)  # the champion is the first of each pair


def spans(advantage: float, count: int, nights: int) -> list[Span]:
    """Return the results of many spans."""
    random = np.random.default_rng(SEED)
    return [nightly(random, advantage, nights) for _ in range(count)]


def looked_at(scores: Scores, sizes: Sequence[int]) -> list[Verdict]:
    """Return the verdict on two rows at each of several looks, after so many members."""
    verdicts = []
    for look, size in enumerate(sizes, start=1):
        rows = [MemberScores(one.name, one.by_member, look) for one in members_of(scores[:, :size])]
        verdicts += compare_pairs(rows, NEW)
    return verdicts


def print_again(recipe: str, first: str, second: str) -> None:
    """Print the verdicts on random halves of the members of two equal configurations."""
    stored = history_of(Paths.default().reports(), recipe)
    newest = {report.optimizer: report for report in stored}
    values = [pool_of(newest[name], stored).values("fid") for name in (first, second)]
    pooled, random = np.array(values[0] + values[1]), np.random.default_rng(SEED)
    sizes = [size for size in SIZES if size <= len(pooled) // 2]
    print(
        f"{recipe}: {len(values[0])} and {len(values[1])} members, FID {pooled.mean():.4g} ± {pooled.std(ddof=1):.3g}"
    )
    right = 0
    for _ in range(RESAMPLINGS):
        dealt = random.permutation(pooled)[: 2 * sizes[-1]].reshape(2, -1)
        verdicts = looked_at(dealt, sizes)
        right += not any(map(is_decided, verdicts))
        print("  ", ", ".join(f"{size}: {one.verdict}" for size, one in zip(sizes, verdicts, strict=True)))
    print(f"undecided or tied at every look: {right} of {RESAMPLINGS}")


def main() -> None:
    """Measure and print the shares of wrong and of right verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--nights", type=int, default=100)
    parser.add_argument("--spans", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=("equal", "better", "nights"))
    parser.add_argument("--again", nargs=3, metavar=("RECIPE", "ONE", "OTHER"))
    options = parser.parse_args()
    if options.again:
        print_again(*options.again)
        return
    parts = options.only or ("equal", "better", "nights")
    if "equal" in parts:
        print(
            f"any false verdict, {CONFIGURATIONS} equal configurations of {MEMBERS} members, {options.repeats} repeats"
        )
        for name, draw in DISTRIBUTIONS.items():
            print(f"  {name:15}", false_verdicts(draw, options.repeats), flush=True)
        for seeds in SEEDS:
            for configurations, members in ((2, 3), (3, 2), (3, 3), (7, 3)):
                share = false_verdicts_of_seeds(seeds, configurations, members, options.repeats)
                print(f"  {seeds:5} seeds, {configurations} configurations of {members}: {share:4.1f} %", flush=True)
    if "better" in parts:
        print("share of the pairs of one better configuration that are decided for it")
        for name in ("normal", "lognormal", "spread e±0.5"):
            for advantage in (2, 4, 8):
                print(f"  {name:13} {advantage} sd", power(DISTRIBUTIONS[name], advantage, options.repeats), flush=True)
    if "nights" in parts:
        print(f"nightly retraining, {options.spans} spans of {options.nights} nights")
        _print_nights(options.spans, options.nights)


def _print_nights(count: int, nights: int) -> None:
    for advantage in (0.0, 2.0):
        results = spans(advantage, count, nights)
        for test in ("pooled", "plain"):
            promoted = [getattr(span, test) for span in results]
            found = [night for night in promoted if night is not None]
            median = f"median night {np.median([night or np.inf for night in promoted]):.0f}"
            share = 100 * len(found) / count
            print(
                f"  advantage {advantage:.0f} sd, {test:6}: promoted in {share:5.1f} % of spans, {median}", flush=True
            )


if __name__ == "__main__":
    main()
