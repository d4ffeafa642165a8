import json
import re
from collections.abc import Sequence
from typing import Any

from pipeline.cli.reports import ranking
from pipeline.cli.reports.judging import RankingJudging
from pipeline.reports import store
from pipeline.storage.paths import Paths


def add(
    paths: Paths,
    optimizer: str,
    fids: Sequence[float | None],
    metrics: Sequence[str] = ("fid", "inception_score"),
    weights: str = "raw",
    **facts: Any,
) -> None:
    protocol = json.dumps({"n": 10, "weights": weights})
    shared: dict[str, Any] = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "protocol": protocol}
    shared |= {"floor": 1.0, "ceiling": 900.0, "better": "lower", "members": len(fids), "seed": 0, "steps": 100}
    shared |= {"n_generated": 10, "n_real": 10, "extractor": "classifier", "extractor_sha256": "a" * 64}
    shared |= {"extractor_accuracy": 0.99, "source": "made up", "width": 8, "diverged_members": fids.count(None)}
    rows = [
        {**shared, **facts, "member": member, "metric": metric, "value": value}
        for metric in metrics
        for member, value in enumerate(fids)
    ]
    store.append(paths.reports(), rows)


def printed() -> list[str]:
    return ranking.answer("mnist_mlp").text.splitlines()


def test_the_best_configuration_is_held_against_each_other_one(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0, 140.0])
    add(paths, "rmsprop", [130.0, 121.0, 155.0])
    add(paths, "sgd", [800.0, 821.0, 839.0])
    lines = printed()
    start = lines.index("adam against  FID difference (interval)  corrected p  members  verdict")
    rows = [re.split(r"\s{2,}", line) for line in lines[start + 1 : start + 3]]
    assert rows[0] == [
        "rmsprop",
        "-15.71 (-43.04 to 19.77)",
        "0.34",
        "3 / 3",
        "undecided: about 16 more members would decide",
    ]
    assert rows[1] == ["sgd", "-701 (-737.1 to -649)", "< 0.0001", "3 / 3", "adam is better"]
    assert lines[start + 3 :] == [
        "moderated paired t; intervals and corrected p hold at 5 % for both pairs together, however often members are "
        "added",
        "differences are of geometric means, without collapsed members; the table's means are of all members",
        "with 3 members, differences of less than about 32 stay undecided",
        "--members N adds members and keeps the present ones",
    ]


def test_on_request_all_pairs_are_tested_by_themselves(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0, 140.0])
    add(paths, "rmsprop", [130.0, 121.0, 155.0])
    add(paths, "sgd", [800.0, 821.0, 839.0])
    lines = ranking.answer("mnist_mlp", RankingJudging(all_pairs=True, test="plain")).text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("against "))
    rows = [re.split(r"\s{2,}", line) for line in lines[start + 1 : start + 4]]
    # adam - rmsprop: -30, -1, -15, t = -1.83, p = 0.21, the largest of the three; adam - sgd: -700, -701, -699.
    # The intervals are Holm's: t of 2 degrees of freedom at 0.05 and at 0.05 / 3, 4.303 and 7.649.
    assert rows[0][:3] == ["adam against rmsprop", "-15.33 (-51.36 to 20.69)", "0.21"]
    assert rows[1][:3] == ["adam against sgd", "-700 (-704.4 to -695.6)", "< 0.0001"]
    assert [row[-1].split(":")[0] for row in rows] == ["undecided", "adam is better", "rmsprop is better"]
    assert "paired t; intervals and corrected p hold at 5 % for all 3 pairs together" in lines


def test_the_newest_report_alone_counts_on_request(paths: Paths) -> None:
    for seed in (0, 1):
        for optimizer, fids in (("adam", [100.0, 110.0]), ("sgd", [130.0, 145.0])):
            add(paths, optimizer, [fid + 3 * seed for fid in fids], seed=seed, pool=optimizer)
    assert all(line.split()[5] == "4" for line in printed() if line.startswith(("adam 1", "sgd 1")))
    pooled, newest = (
        [line for line in ranking.answer("mnist_mlp", judging).text.splitlines() if line.startswith("sgd")]
        for judging in (RankingJudging(), RankingJudging(newest=True))
    )
    assert "4 / 4" in pooled[1]
    assert "2 / 2" in newest[1]


def test_single_members_get_one_line_instead_of_a_table_of_nothing(paths: Paths) -> None:
    for optimizer in ("adam", "rmsprop", "sgd"):
        add(paths, optimizer, [100.0])
    lines = printed()
    assert lines[-1] == "which is better is undecided: that takes at least 2 members with a score of each (--members)"
    assert not any("against" in line for line in lines)


def test_a_diverged_member_is_named_beside_the_verdict(paths: Paths) -> None:
    add(paths, "adam", [100.0, None, 120.0])
    add(paths, "sgd", [800.0, 821.0, 839.0])
    (line,) = [line for line in printed() if line.startswith("sgd ") and "adam" in line]
    assert line.endswith("adam: 1 of 3 members without a score")


def test_configurations_scored_with_averaged_weights_are_named(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0])
    assert not any("averaged" in line for line in printed())
    add(paths, "sgd", [800.0, 821.0], weights="average")
    assert "scored with averaged weights: sgd" in printed()


def test_a_lone_configuration_has_nothing_to_be_compared_with(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0])
    assert not any("undecided" in line or "against" in line for line in printed())


def test_a_score_that_is_not_defined_leaves_its_cells_empty(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0], metrics=["fid"])
    (line,) = [line for line in printed() if line.startswith("real images")]
    assert line.split() == ["real", "images", "1", "-"]
