import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import __version__
from pipeline.comparison.page import charts
from pipeline.comparison.page.curves import MEASURES, gather_curves, gather_scores_along, last_values
from pipeline.comparison.page.entries import PageEntry, PartMissingError, colour_order, reason, without_folders
from pipeline.comparison.page.feature_map import Plane, gather_feature_map
from pipeline.comparison.page.provenance import (
    budget,
    command,
    how_to_read,
    how_to_repeat,
    measured_with,
    records,
)
from pipeline.comparison.page.provenance import protocol as shown_protocol
from pipeline.comparison.replicates import Replicates, alone
from pipeline.metrics.extractors.extractor import require_extractor
from pipeline.reports import store
from pipeline.reports.by_step import read_scores_by_step
from pipeline.reports.commit import git_commit
from pipeline.samples.generate import generate
from pipeline.settings import load_recipes
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths

PLENTY = 10_000_000


def test_the_plane_is_spanned_by_the_directions_of_largest_variance() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(4000, 3)) * [1.0, 5.0, 3.0] + 7
    plane = Plane.fit(features)
    assert np.abs(plane.axes[:, 0]).argmax() == 1
    assert np.abs(plane.axes[:, 1]).argmax() == 2
    assert plane.shares == pytest.approx((25 / 35, 9 / 35), abs=0.02)
    assert plane.project(features).mean(axis=0) == pytest.approx([0, 0], abs=1e-9)


def test_the_map_has_real_labels_and_predicted_ones(entries: list[PageEntry], chain_paths: Paths) -> None:
    feature_map = gather_feature_map(entries, "mnist", chain_paths)
    assert len(feature_map["real"]["x"]) == len(feature_map["real"]["label"]) == 120
    generated = feature_map["by_configuration"][entries[0].key]
    assert (len(generated["x"]), set(generated["label"]) <= set(range(10))) == (40, True)
    assert feature_map["class_names"] == [str(digit) for digit in range(10)]
    images = read_images(entries[0].samples().path("samples.arrow"))
    logits = (
        require_extractor("classifier", "mnist", chain_paths)
        .extract(images.pixels[images.columns["member"] == 0])
        .logits
    )
    assert logits is not None
    assert generated["label"] == [int(np.flatnonzero(row == row.max())[0]) for row in logits]


def test_without_a_classifier_there_is_no_map_and_a_sentence_names_the_reason(
    entries: list[PageEntry], chain_paths: Paths
) -> None:
    (chain_paths.classifier("mnist") / "manifest.json").unlink()
    feature_map = gather_feature_map(entries, "mnist", chain_paths)
    assert "materialize mnist/classifier" in feature_map["why_missing"]
    assert str(chain_paths.root) not in feature_map["why_missing"]


def test_curves_are_the_histories_over_members(entries: list[PageEntry]) -> None:
    curves = gather_curves(entries)["by_configuration"][entries[0].key]
    assert curves["steps"] == [3]
    loss = curves["generator_loss"]
    assert loss["low"][0] <= loss["mean"][0] <= loss["high"][0]


def test_scores_along_training_are_means_over_members_at_their_own_steps(
    entries: list[PageEntry], chain_paths: Paths
) -> None:
    curves = gather_scores_along(entries, chain_paths)
    assert (set(curves["by_configuration"]), curves["missing"], curves["images"]) == ({"adam", "sgd"}, {}, 500)
    best = entries[0]
    curve = curves["by_configuration"][best.key]
    scores = read_scores_by_step(chain_paths, "mnist_mlp", best.key, best.training().fingerprint)
    assert scores is not None
    values = [row["value"] for row in scores.to_pylist() if row["metric"] == "fid"]
    assert (curve["steps"], len(values)) == ([3], 2)
    expected = {"low": min(values), "mean": np.mean(values), "high": max(values)}
    assert {name: column[0] for name, column in curve["fid_by_step"].items()} == pytest.approx(expected, rel=1e-5)


def test_a_curve_ends_at_the_last_mean_that_is_known() -> None:
    blank = {measure: {"mean": [None, None]} for measure in MEASURES}
    curves = {"adam": {"steps": [10, 20, 30], **blank, "generator_loss": {"mean": [9.0, 1.23456, None]}}}
    last = last_values(curves)["adam"]
    assert last["step"] == 30
    assert dict(zip(MEASURES, last["values"], strict=True)) == {
        **dict.fromkeys(MEASURES, "–"),
        "generator_loss": "1.235",
    }


def test_colours_follow_the_table_of_configurations_and_not_the_ranking(entries: list[PageEntry]) -> None:
    assert colour_order(entries) == colour_order(entries[::-1])


def test_configurations_differ_in_more_than_colour() -> None:
    keys = [f"c{place}" for place in range(8)]
    assert len({tuple(dash) for dash in charts.dashes(keys)}) == 8
    shapes = charts.score_chart(keys, keys)["layer"][3]["encoding"]["shape"]["scale"]["range"]
    assert len(set(shapes)) == 8


def test_thirty_configurations_look_different_wherever_they_are_drawn() -> None:
    keys = [f"c{place}" for place in range(30)]
    colours = [place % charts.COLOURS for place in range(30)]
    dashes = [tuple(dash) for dash in charts.dashes(keys)]
    shapes = charts.score_chart(keys, keys)["layer"][3]["encoding"]["shape"]["scale"]["range"]
    assert len(set(zip(colours, dashes, shapes, strict=True))) == 30
    assert len(set(zip(colours, dashes, strict=True))) == 30  # curves have no markers
    assert len(set(zip(colours, shapes, strict=True))) == 30  # and scores no dashes


def test_the_command_names_everything_that_decided_the_scores(entries: list[PageEntry]) -> None:
    commands = {entry["key"]: entry["command"] for entry in how_to_repeat("mnist_mlp", entries)}
    options = "--steps 3 --members 2 --width 128 --samples 40 --seed 0"
    assert commands["adam"] == f"ganforge materialize mnist_mlp --optimizer adam {options}"
    row = entries[0].configuration.report.rows.slice(0, 1).to_pylist()[0]
    settings, protocol = json.loads(row["settings"]), json.loads(row["protocol"])
    changed = {
        **row,
        "settings": json.dumps(settings | {"width": 8}),
        "protocol": json.dumps(protocol | {"extractor": "inception"}),
        "metric": "gan_train",
    }
    assert command("mnist_mlp", with_report(entries[0], changed)).endswith(
        "--width 8 --samples 40 --seed 0 --extractor inception --thorough"
    )


def test_settings_that_no_command_can_express_are_noted(entries: list[PageEntry]) -> None:
    row = entries[0].configuration.report.rows.slice(0, 1).to_pylist()[0]
    protocol = json.dumps(json.loads(row["protocol"]) | {"samples_seed": 3})
    changed = with_report(entries[0], {**row, "protocol": protocol})
    (noted,) = how_to_repeat("mnist_mlp", [changed])
    assert noted["note"] == "the samples' run configuration also has seed=3"
    assert how_to_repeat("mnist_mlp", entries)[0]["note"] == ""


def test_the_replicates_of_all_seeds_have_their_commands(entries: list[PageEntry]) -> None:
    report = entries[0].configuration.report
    rows = [{**row, "seed": 5} for row in report.rows.to_pylist()]
    again = store.append(Path(report.path).parents[2], rows)
    pooled = replace(entries[0].configuration, replicates=Replicates((again, report)))
    (noted,) = how_to_repeat("mnist_mlp", [replace(entries[0], configuration=pooled)])
    seeds = [f"--seed {seed} --members {report.members}" for seed in (report.seed, 5)]
    assert noted["note"] == f"the replicates of all seeds: {', '.join(seeds)}"


def test_the_command_names_the_weights_where_they_are_not_those_that_the_training_keeps(
    entries: list[PageEntry],
) -> None:
    row = entries[0].configuration.report.rows.slice(0, 1).to_pylist()[0]
    settings, protocol = json.loads(row["settings"]), json.loads(row["protocol"])
    commands = {}
    for ema_decay in (None, 0.9):
        for weights in ("raw", "average"):
            changes = {"settings": json.dumps(settings | {"ema_decay": ema_decay})}
            changes |= {"protocol": json.dumps(protocol | {"weights": weights})}
            commands[ema_decay, weights] = command("mnist_mlp", with_report(entries[0], {**row, **changes}))
    assert "--weights" not in commands[None, "raw"] + commands[0.9, "average"]
    assert commands[0.9, "raw"].endswith("--weights raw")


def test_a_fact_of_the_protocol_that_differs_is_shown_with_the_configurations_that_have_it(
    entries: list[PageEntry],
) -> None:
    row = entries[0].configuration.report.rows.slice(0, 1).to_pylist()[0]
    averaged = {**row, "protocol": json.dumps(json.loads(row["protocol"]) | {"weights": "average"})}
    shown = dict(shown_protocol([with_report(entries[0], averaged), entries[1]]))
    assert shown["weights"] == f"average ({entries[0].key}), raw ({entries[1].key})"
    assert shown["n generated"] == "40"


def test_samples_that_were_drawn_again_after_the_report_are_not_shown(
    entries: list[PageEntry], chain_paths: Paths
) -> None:
    best = entries[0]
    again = generate(best.training(), 40, chain_paths, seed=1)
    with pytest.raises(PartMissingError, match="its samples were generated again after its report was made"):
        replace(best, stored_samples=again).samples()


def with_report(entry: PageEntry, row: dict[str, Any]) -> PageEntry:
    report = store.append(Path(entry.configuration.report.path).parents[2], [row])
    return replace(entry, configuration=replace(entry.configuration, replicates=alone(report)))


def test_the_query_reads_the_very_numbers_of_the_page(entries: list[PageEntry], chain_paths: Paths) -> None:
    reading = next(entry for entry in how_to_read(entries) if entry["title"] == "FID")
    sql = reading["query"].split('"')[1]
    rows = store.query(sql, chain_paths.reports()).to_pylist()
    best = [row["value"] for row in rows if row["optimizer"] == entries[0].key]
    assert best == entries[0].configuration.report.scores("fid")


def test_reasons_name_no_folder_of_this_machine() -> None:
    assert without_folders("cannot read '/tmp/some folder/a.png' or https://a.org/b/c, 1/2") == (
        "cannot read 'some folder/a.png' or https://a.org/b/c, 1/2"
    )
    assert reason(ValueError("/home/me/data/x.arrow: not whole; see /home/me/data")) == "x.arrow: not whole; see data"
    assert reason(FileNotFoundError(2, "No such file or directory", "/home/me")) == (
        "a file cannot be read (No such file or directory)"
    )


def test_the_head_names_the_steps_trained_and_the_extractor_of_the_scores(entries: list[PageEntry]) -> None:
    assert budget(entries, load_recipes()["mnist_mlp"]) == "Trained for 3 steps here; the source trained 93,700."
    sha256 = entries[0].configuration.report.extractor_sha256
    said = measured_with(entries)
    assert said.startswith(f"the data set's own classifier ({sha256[:12]}, ")
    assert said.endswith(" % of held-out images classified correctly)")
    assert (budget([], load_recipes()["mnist_mlp"]), measured_with([])) == ("", "")


def test_each_report_has_the_packages_version_beside_the_commit(entries: list[PageEntry]) -> None:
    table = records(entries)
    column = table["headings"].index("ganforge")
    assert table["headings"][column - 1] == "commit"
    for row in table["rows"]:
        assert row["values"][column - 1 : column + 1] == [git_commit() or "–", __version__]
