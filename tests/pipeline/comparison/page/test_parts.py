import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.comparison.page import charts
from pipeline.comparison.page.curves import gather_curves
from pipeline.comparison.page.drawing import first_latents
from pipeline.comparison.page.entrants import Entrant, colour_order, reason, without_folders
from pipeline.comparison.page.explorer import gather_explorer
from pipeline.comparison.page.feature_map import Plane, gather_feature_map
from pipeline.comparison.page.grids import gather_grids
from pipeline.comparison.page.interpolation import gather_interpolation
from pipeline.comparison.page.movie import gather_movie
from pipeline.comparison.page.pictures import film_uri, fullest, png_uri
from pipeline.comparison.page.provenance import command, how_to_read, how_to_repeat
from pipeline.reports import store
from pipeline.samples.browser import browser_generator
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.training.snapshots import snapshot_name

PLENTY = 10_000_000


def opened(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_grey_pictures_come_back_exactly_and_colour_ones_of_a_movie_nearly() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    assert np.array_equal(opened(film_uri(grey)), grey[0])
    smooth = np.broadcast_to(np.arange(0, 160, 10, dtype=np.uint8)[:, None], (3, 16, 16)).copy()
    assert np.array_equal(np.moveaxis(opened(png_uri(smooth)), -1, 0), smooth)
    assert np.abs(np.moveaxis(opened(film_uri(smooth)).astype(int), -1, 0) - smooth).max() < 12


def test_the_fullest_plan_within_the_budget_is_taken_or_else_the_last() -> None:
    assert fullest([9, 5, 2], str, lambda made: 10 * int(made), 60) == (5, "5")
    assert fullest([9, 5, 2], str, int, 0) == (2, "2")


def test_a_grid_shows_the_first_samples_of_each_member(entrants: list[Entrant], whole: Paths) -> None:
    found = gather_grids(entrants, "mnist", whole, PLENTY)
    images = read_images(entrants[0].samples().path("samples.arrow"))
    second = images.pixels[images.columns["member"] == 1]
    shown = opened(found["by_configuration"][entrants[0].key][1]["uri"])
    assert np.array_equal(shown[:28, 30:58], second[1, 0])  # after the gap of 2
    assert np.array_equal(shown[30:58, :28], second[6, 0])  # the second row
    assert (found["members"], found["count"], found["missing"]) == ([0, 1], 24, {})
    assert opened(found["real"]).shape == shown.shape


def test_grids_beyond_the_budget_show_fewer_members_and_then_fewer_images(
    entrants: list[Entrant], whole: Paths
) -> None:
    full = gather_grids(entrants, "mnist", whole, PLENTY)["by_configuration"]
    size_bytes = sum(len(each["uri"]) for grid in full.values() for each in grid)
    one_member = gather_grids(entrants, "mnist", whole, size_bytes - 1)
    assert (one_member["members"], one_member["count"], one_member["only_one_member"]) == ([0], 24, True)
    assert gather_grids(entrants, "mnist", whole, 0)["count"] == 6


def test_real_images_that_were_not_trained_on_are_not_shown(entrants: list[Entrant], whole: Paths) -> None:
    manifest = whole.tensors("mnist") / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"fingerprint": "other"}))
    found = gather_grids(entrants, "mnist", whole, PLENTY)
    assert found["real"] is None
    assert "others than those that were trained on" in found["missing"]["real images"]


def test_the_movie_holds_the_snapshots_of_the_first_member_at_pixel_size(entrants: list[Entrant]) -> None:
    found = gather_movie(entrants, PLENTY)
    training = entrants[0].training()
    snapshot = np.asarray(Image.open(training.path(f"snapshots/{snapshot_name(0)}")))[::2, ::2]
    film = found["by_configuration"][entrants[0].key]
    sheet = opened(film["uri"])
    assert found["steps"] == [0, 3]
    assert film["frames"] == [0, 1]
    assert np.array_equal(sheet[:28, 30:58], snapshot[:28, 30:58])  # the second image
    assert np.array_equal(sheet[30:58, :28], snapshot[:28, 120:148])  # the fifth image begins the second row
    assert not np.array_equal(sheet[:118, :118], sheet[:118, 118:])


def add_snapshots(entrant: Entrant, steps: range) -> Entrant:
    """The same training with copies of its first snapshot at more steps."""
    training = entrant.training()
    first = training.path(f"snapshots/{snapshot_name(0)}")
    files = dict(training.files)
    for step in steps:
        name = f"snapshots/{snapshot_name(step)}"
        training.path(name).write_bytes(first.read_bytes())
        files[name] = files[f"snapshots/{snapshot_name(0)}"]
    return replace(entrant, kept_training=replace(training, files=files))


def test_a_long_movie_keeps_forty_steps_with_both_ends_and_shows_the_latest_snapshot(entrants: list[Entrant]) -> None:
    many = [add_snapshots(entrants[0], range(10, 1000, 10)), entrants[1]]
    found = gather_movie(many, PLENTY)
    assert (len(found["steps"]), found["steps"][0], found["steps"][-1]) == (40, 0, 990)
    assert found["frames_left_out"] == 101 - 40
    assert len(set(found["by_configuration"][many[0].key]["frames"])) == 40
    assert set(found["by_configuration"][many[1].key]["frames"]) <= {0, 1}  # its last one stays
    assert len(gather_movie(many, 0)["steps"]) == 2


def test_strips_begin_and_end_with_the_first_two_samples_and_are_equal_there(entrants: list[Entrant]) -> None:
    strips = gather_interpolation(entrants)["by_configuration"][entrants[0].key]
    slerp, lerp = opened(strips["slerp"]), opened(strips["lerp"])
    samples = read_images(entrants[0].samples().path("samples.arrow")).pixels
    for strip in (slerp, lerp):
        assert np.abs(strip[:, :28].astype(int) - samples[0, 0]).max() <= 1  # another block size may round differently
        assert np.abs(strip[:, -28:].astype(int) - samples[1, 0]).max() <= 1
    assert not np.array_equal(slerp, lerp)


def test_the_plane_is_spanned_by_the_directions_of_largest_variance() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(4000, 3)) * [1.0, 5.0, 3.0] + 7
    plane = Plane.fit(features)
    assert np.abs(plane.axes[:, 0]).argmax() == 1
    assert np.abs(plane.axes[:, 1]).argmax() == 2
    assert plane.shares == pytest.approx((25 / 35, 9 / 35), abs=0.02)
    assert plane.project(features).mean(axis=0) == pytest.approx([0, 0], abs=1e-9)


def test_the_map_has_real_labels_and_predicted_ones(entrants: list[Entrant], whole: Paths) -> None:
    found = gather_feature_map(entrants, "mnist", whole)
    assert len(found["real"]["x"]) == len(found["real"]["label"]) == 120
    generated = found["by_configuration"][entrants[0].key]
    assert (len(generated["x"]), set(generated["label"]) <= set(range(10))) == (40, True)
    assert found["class_names"] == [str(digit) for digit in range(10)]


def test_without_a_classifier_there_is_no_map_and_a_sentence_says_so(entrants: list[Entrant], whole: Paths) -> None:
    (whole.classifier("mnist") / "manifest.json").unlink()
    found = gather_feature_map(entrants, "mnist", whole)
    assert "materialize mnist/classifier" in found["why_missing"]
    assert str(whole.root) not in found["why_missing"]


def test_curves_are_the_histories_over_members(entrants: list[Entrant]) -> None:
    found = gather_curves(entrants)["by_configuration"][entrants[0].key]
    assert found["steps"] == [3]
    loss = found["generator_loss"]
    assert loss["low"][0] <= loss["mean"][0] <= loss["high"][0]


def test_the_explorer_has_weights_directions_and_what_pytorch_draws(entrants: list[Entrant]) -> None:
    best = gather_explorer(entrants, PLENTY)["generators"][entrants[0].key]
    assert best["generator"] == browser_generator(entrants[0].training(), 0).to_json()
    directions = np.stack([floats(each) for each in best["directions"]])
    assert directions.shape == (5, 100)
    assert directions @ directions.T == pytest.approx(np.eye(5), abs=1e-5)
    assert floats(best["start"][0]) == pytest.approx(first_latents(entrants[0].training(), 1, 0)[0])
    drawn = floats(best["check"]).reshape(28, 28)
    first = read_images(entrants[0].samples().path("samples.arrow")).pixels[0, 0]
    assert np.abs((drawn + 1) * 127.5 - first).max() <= 0.51


def test_the_best_configurations_come_first_while_the_budget_lasts(entrants: list[Entrant]) -> None:
    size_bytes = browser_generator(entrants[0].training(), 0).size_bytes
    found = gather_explorer(entrants, int(1.5 * size_bytes))
    assert list(found["generators"]) == [entrants[0].key]
    assert found["missing"][entrants[1].key] == "its weights take 0.6 MB, and the page has 0.3 MB left"
    assert found["too_large"] == [entrants[1].key]


def test_large_generators_have_weights_of_three_bytes(entrants: list[Entrant], monkeypatch: pytest.MonkeyPatch) -> None:
    wide = len(json.dumps(gather_explorer(entrants, PLENTY)))
    monkeypatch.setattr("pipeline.comparison.page.explorer.FOUR_BYTES_LIMIT", 0)
    assert len(json.dumps(gather_explorer(entrants, PLENTY))) == pytest.approx(0.75 * wide, rel=0.02)


def test_colours_follow_the_table_of_configurations_and_not_the_ranking(entrants: list[Entrant]) -> None:
    assert colour_order(entrants) == colour_order(entrants[::-1])


def test_configurations_differ_in_more_than_colour() -> None:
    keys = [f"c{place}" for place in range(8)]
    assert len({tuple(dash) for dash in charts.dashes(keys)}) == 8
    shapes = charts.score_chart(keys, keys)["layer"][3]["encoding"]["shape"]["scale"]["range"]
    assert len(set(shapes)) == 8


def test_the_command_names_everything_that_decided_the_scores(entrants: list[Entrant]) -> None:
    commands = {each["key"]: each["command"] for each in how_to_repeat("mnist_mlp", entrants)}
    options = "--steps 3 --members 2 --samples 40 --seed 0"
    assert commands["adam"] == f"ganforge materialize mnist_mlp --optimizer adam {options}"
    row = entrants[0].standing.report.rows.slice(0, 1).to_pylist()[0]
    settings, protocol = json.loads(row["settings"]), json.loads(row["protocol"])
    changed = {
        **row,
        "settings": json.dumps(settings | {"width": 8}),
        "protocol": json.dumps(protocol | {"extractor": "inception"}),
        "metric": "gan_train",
    }
    assert command("mnist_mlp", with_report(entrants[0], changed)).endswith(
        "--width 8 --samples 40 --seed 0 --extractor inception --thorough"
    )


def test_what_no_command_can_say_is_noted(entrants: list[Entrant]) -> None:
    row = entrants[0].standing.report.rows.slice(0, 1).to_pylist()[0]
    protocol = json.dumps(json.loads(row["protocol"]) | {"weights": "average", "samples_seed": 3})
    changed = with_report(entrants[0], {**row, "protocol": protocol})
    (noted,) = how_to_repeat("mnist_mlp", [changed])
    assert noted["note"] == "the samples' run configuration also has seed=3 and weights=average"
    assert how_to_repeat("mnist_mlp", entrants)[0]["note"] == ""


def with_report(entrant: Entrant, row: dict) -> Entrant:
    report = store.append(Path(entrant.standing.report.path).parents[2], [row])
    return replace(entrant, standing=replace(entrant.standing, report=report))


def test_the_query_reads_the_very_numbers_of_the_page(entrants: list[Entrant], whole: Paths) -> None:
    reading = next(each for each in how_to_read(entrants) if each["title"] == "FID")
    sql = reading["query"].split('"')[1]
    rows = store.query(sql, whole.reports()).to_pylist()
    best = [row["value"] for row in rows if row["optimizer"] == entrants[0].key]
    assert best == entrants[0].standing.report.scores("fid")


def test_reasons_name_no_folder_of_this_machine() -> None:
    assert without_folders("cannot read '/tmp/some folder/a.png' or https://a.org/b/c, 1/2") == (
        "cannot read 'some folder/a.png' or https://a.org/b/c, 1/2"
    )
    assert reason(ValueError("/home/me/data/x.arrow: not whole; see /home/me/data")) == "x.arrow: not whole; see data"
    assert reason(FileNotFoundError(2, "No such file or directory", "/home/me")) == (
        "a file cannot be read (No such file or directory)"
    )


def test_a_sheet_holds_its_frames_side_by_side_without_a_gap(entrants: list[Entrant]) -> None:
    film = gather_movie(entrants, PLENTY)["by_configuration"][entrants[0].key]
    sheet: Pixels = opened(film["uri"])
    assert sheet.shape == (film["height"], 2 * film["width"])
