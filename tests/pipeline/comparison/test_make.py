from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.comparison.damage import damage
from pipeline.comparison.make import CURVES, GRIDS, PAGE, make_comparison
from pipeline.comparison.ranking_verdicts import all_verdicts, verdicts_on, verdicts_on_best
from pipeline.comparison.verdicts import Verdict
from pipeline.settings import PACKAGE
from pipeline.storage.artefact import make_artefact
from pipeline.storage.images import write_images
from pipeline.storage.paths import Paths
from tests.damage import flip_a_byte, record_again
from tests.identities import Named
from tests.pipeline.comparison.example_scores import add, add_metrics
from tests.pipeline.manifests import samples_details, training_details


def add_training(paths: Paths, optimizer: str, fingerprint: str) -> None:
    losses = ("discriminator_loss_real", "discriminator_loss_generated", "generator_loss")
    columns = {name: [1.0, 0.5] for name in (*losses, "discriminator_accuracy", "adversarial_accuracy")}

    def fill(folder: Path) -> dict[str, Any]:
        table = pa.table({"step": [100, 200], "member": [0, 0], **columns, "diverged": [False, False]})
        pq.write_table(table, folder / "history.parquet")
        return training_details(optimizer=optimizer, members=1, tensors="t")

    make_artefact(paths.training("mnist_mlp", optimizer), Named(fingerprint), fill)


def add_samples(paths: Paths, optimizer: str, training: str, level: int) -> None:
    """Twenty images of one grey level."""

    def fill(folder: Path) -> dict[str, Any]:
        pixels = np.full((20, 1, 4, 4), level, np.uint8)
        write_images(folder / "samples.arrow", pixels, {"member": np.zeros(20, np.int64)}, {})
        return samples_details(optimizer=optimizer, members=[0], training=training)

    make_artefact(paths.samples("mnist_mlp", optimizer), Named(f"drawn by {training}"), fill)


def test_the_artefact_holds_the_ranking_and_is_kept_while_no_report_is_new(paths: Paths) -> None:
    add(paths, "adam", [2.0, 4.0])
    first, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    row = pq.read_table(first.path("ranking.parquet")).to_pylist()[0]
    assert (row["rank"], row["optimizer"], row["fid_mean"], row["fid_floor"]) == (1, "adam", 3.0, 1.0)
    assert (first.details["best"], first.details["missing"]) == ("adam", ["sgd"])
    assert make_comparison("mnist_mlp", ["adam", "sgd"], paths)[0].cached
    add(paths, "sgd", [1.0])
    second, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    assert (second.cached, second.details["best"]) == (False, "sgd")


def test_the_artefact_holds_a_verdict_on_every_pair_by_every_ranked_metric(paths: Paths) -> None:
    for optimizer, offset in (("sgd", 100.0), ("adam", 0.0), ("rmsprop", 50.0)):
        values = {"fid": [offset + noise for noise in (1.0, 3.0, 2.5)], "inception_score": [offset, offset + 1, offset]}
        add_metrics(paths, optimizer, {**values, "spread": [1.0, 2.0, 3.0]})
    artefact, ranking = make_comparison("mnist_mlp", ["sgd", "adam", "rmsprop"], paths)
    rows = pq.read_table(artefact.path("verdicts.parquet")).to_pylist()
    with_best = [("adam", "rmsprop"), ("adam", "sgd")]
    pairs = {"best": with_best, "all": [*with_best, ("rmsprop", "sgd")]}
    assert [(row["family"], row["metric"], row["first"], row["second"]) for row in rows] == [
        (family, metric, *pair) for family in pairs for metric in ("fid", "inception_score") for pair in pairs[family]
    ]
    (scored,) = [
        row for row in rows if (row["family"], row["metric"], row["second"]) == ("best", "inception_score", "sgd")
    ]
    assert (scored["difference"], scored["verdict"], scored["members"]) == (-100.0, "undecided", 3)
    assert scored["note"] == "the difference does not vary at all"
    assert verdicts_on(ranking) == all_verdicts(ranking)["all"][:3]
    assert verdicts_on_best(ranking) == all_verdicts(ranking)["best"][:2]


def test_without_pairs_the_table_of_verdicts_is_empty_and_typed(paths: Paths) -> None:
    add(paths, "adam", [2.0, 4.0])
    table = pq.read_table(make_comparison("mnist_mlp", ["adam"], paths)[0].path("verdicts.parquet"))
    assert (table.num_rows, table.schema.names) == (0, ["family", *(field.name for field in fields(Verdict))])


def test_the_comparison_without_any_report_names_their_absence(paths: Paths, tmp_path: Path) -> None:
    artefact, ranking = make_comparison("mnist_mlp", ["adam"], paths)
    assert (ranking.configurations, artefact.details["best"]) == ([], None)


def test_a_score_that_the_best_configuration_lacks_is_in_the_table(paths: Paths) -> None:
    add_metrics(paths, "adam", {"fid": [1.0, 2.0]})
    add_metrics(paths, "sgd", {"fid": [5.0, 6.0], "inception_score": [3.0, 5.0]})
    artefact, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    rows = pq.read_table(artefact.path("ranking.parquet")).to_pylist()
    assert [(row["optimizer"], row["inception_score_mean"]) for row in rows] == [("adam", None), ("sgd", 4.0)]


def test_the_artefact_holds_page_curves_and_grids_of_the_configurations_with_reports(paths: Paths) -> None:
    for optimizer, level in (("adam", 200), ("sgd", 50)):
        add(paths, optimizer, [float(1000 - level)], training=f"{optimizer} t")
        add_training(paths, optimizer, f"{optimizer} t")
        add_samples(paths, optimizer, f"{optimizer} t", level)
    artefact, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    assert {PAGE, CURVES, GRIDS} <= set(artefact.files)
    assert artefact.details["page_bytes"] == artefact.path(PAGE).stat().st_size
    with Image.open(artefact.path(GRIDS)) as grids:
        levels = np.asarray(grids)
    assert (levels[3, 3], levels[-3, 3]) == (200, 50)  # the best above


def test_the_page_is_made_again_when_the_details_of_the_recipe_on_it_change(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = (PACKAGE / "recipes.toml").read_text(encoding="utf-8")
    entry = table[table.index("[mnist_mlp]") : table.index("[mnist_conv]")]
    monkeypatch.setenv("GANFORGE_RECIPES", str(tmp_path / "own.toml"))
    (tmp_path / "own.toml").write_text(entry.replace("[mnist_mlp]", "[own]"))
    assert not make_comparison("own", ["adam"], paths)[0].cached
    assert make_comparison("own", ["adam"], paths)[0].cached
    (tmp_path / "own.toml").write_text(entry.replace("[mnist_mlp]", "[own]").replace("Two dense layers", "Others"))
    assert not make_comparison("own", ["adam"], paths)[0].cached


def test_a_training_newer_than_the_report_is_not_shown_beside_it(paths: Paths) -> None:
    add(paths, "adam", [2.0], training="then")
    add_training(paths, "adam", "then")
    add_samples(paths, "adam", "then", 200)
    first, _ = make_comparison("mnist_mlp", ["adam"], paths)
    assert {CURVES, GRIDS} <= set(first.files)
    add_training(paths, "adam", "now")
    add_samples(paths, "adam", "now", 50)
    second, _ = make_comparison("mnist_mlp", ["adam"], paths)
    assert not second.cached
    assert not {CURVES, GRIDS} & set(second.files)
    assert "trained again after its report" in second.path(PAGE).read_text(encoding="utf-8")


def add_whole(paths: Paths, optimizer: str) -> None:
    add(paths, optimizer, [2.0, 4.0], training=optimizer)
    add_training(paths, optimizer, optimizer)
    add_samples(paths, optimizer, optimizer, 40)


@pytest.mark.parametrize(
    ("damaged", "part"),
    [
        ("training/mnist_mlp/adam/history.parquet", "curves"),
        ("samples/mnist_mlp/adam/samples.arrow", "grids"),
    ],
)
def test_a_damaged_file_costs_its_parts_alone_and_the_page_is_made_again_after_the_repair(
    paths: Paths, damaged: str, part: str
) -> None:
    add_whole(paths, "adam")
    add_whole(paths, "sgd")
    flip_a_byte(paths.root / damaged)
    made, ranking = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    assert list(damage(ranking, paths)) == [damaged]
    assert {CURVES, GRIDS} <= set(made.files)  # of the other one
    named = f"{Path(damaged).name}: damaged"
    assert named in made.details["not_on_page"][part]["adam"]
    assert named in made.path(PAGE).read_text(encoding="utf-8")
    assert "sgd" not in made.details["not_on_page"][part]
    assert make_comparison("mnist_mlp", ["adam", "sgd"], paths)[0].cached
    flip_a_byte(paths.root / damaged)
    repaired, _ = make_comparison("mnist_mlp", ["adam", "sgd"], paths)
    assert not repaired.cached
    assert named not in repaired.path(PAGE).read_text(encoding="utf-8")


def test_files_that_the_page_does_not_read_may_be_missing(paths: Paths) -> None:
    add_whole(paths, "adam")
    unread = paths.training("mnist_mlp", "adam") / "events" / "losses"
    unread.parent.mkdir()
    unread.write_bytes(b"events")
    record_again(unread.parents[1])
    unread.unlink()
    made, ranking = make_comparison("mnist_mlp", ["adam"], paths)
    assert {PAGE, CURVES, GRIDS} <= set(made.files)
    assert damage(ranking, paths) == {}


def test_damage_in_partitions_without_a_report_does_not_count(paths: Paths) -> None:
    add(paths, "adam", [2.0], training="then")
    add_training(paths, "adam", "now")
    add_samples(paths, "adam", "now", 50)
    flip_a_byte(paths.training("mnist_mlp", "adam") / "history.parquet")
    flip_a_byte(paths.samples("mnist_mlp", "adam") / "samples.arrow")
    made, ranking = make_comparison("mnist_mlp", ["adam"], paths)
    assert damage(ranking, paths) == {}
    assert "trained again after its report" in made.path(PAGE).read_text(encoding="utf-8")


def test_a_page_that_was_made_before_the_damage_is_kept(paths: Paths) -> None:
    add_whole(paths, "adam")
    before, _ = make_comparison("mnist_mlp", ["adam"], paths)
    flip_a_byte(paths.training("mnist_mlp", "adam") / "history.parquet")
    after, _ = make_comparison("mnist_mlp", ["adam"], paths)
    assert (after.cached, after.fingerprint) == (True, before.fingerprint)
