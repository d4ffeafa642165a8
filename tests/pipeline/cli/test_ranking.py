import json
import re
from collections.abc import Sequence
from typing import Any

from pipeline.cli.reports import ranking
from pipeline.reports import store
from pipeline.storage.paths import Paths


def add(
    paths: Paths,
    optimizer: str,
    fids: Sequence[float | None],
    metrics: Sequence[str] = ("fid", "inception_score"),
    weights: str = "raw",
) -> None:
    protocol = json.dumps({"n": 10, "weights": weights})
    shared: dict[str, Any] = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "protocol": protocol}
    shared |= {"floor": 1.0, "ceiling": 900.0, "better": "lower", "members": len(fids), "seed": 0, "steps": 100}
    shared |= {"n_generated": 10, "n_real": 10, "extractor": "classifier", "extractor_sha256": "a" * 64}
    shared |= {"extractor_accuracy": 0.99, "source": "made up", "width": 8, "diverged_members": fids.count(None)}
    rows = [
        {**shared, "member": member, "metric": metric, "value": value}
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
    start = lines.index("adam against  FID difference  corrected p  verdict")
    rows = [re.split(r"\s{2,}", line) for line in lines[start + 1 : start + 3]]
    # adam - rmsprop: -30, -1, -15, t = -1.83, p = 0.21, the largest of the three; adam - sgd: -700, -701, -699
    assert rows[0] == ["rmsprop", "-15 ± 36", "0.21", "undecided: about 7 more members would decide"]
    assert rows[1] == ["sgd", "-700.0 ± 2.5", "< 0.0001", "adam is better"]
    assert "over all 3 pairs" in lines[start + 3]
    # t(1 - 0.05 / 3 / 2, 2 degrees of freedom) = 7.649 (SciPy's `t.ppf`), over the root of 3
    assert lines[start + 4 :] == [
        "with 3 members nothing is decided unless the largest difference exceeds 4.4 standard deviations of the "
        "members' differences",
        "a close verdict may change with other seeds or on another processor",
    ]
    assert len(lines) == start + 6


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
    assert line.endswith("adam has no score for 1 of 3 members")


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
