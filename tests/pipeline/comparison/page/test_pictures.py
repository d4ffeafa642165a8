import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.comparison.page.drawing import draw_pixels
from pipeline.comparison.page.entries import PageEntry
from pipeline.comparison.page.grids import gather_grids
from pipeline.comparison.page.interpolation import gather_interpolation
from pipeline.comparison.page.movie import gather_movie
from pipeline.comparison.page.pictures import film_uri, largest_within, png_uri
from pipeline.metrics.reference import seeded_order
from pipeline.networks.latents import on_line, on_sphere
from pipeline.samples.generate import first_latents
from pipeline.samples.members import one_generator
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import tile
from pipeline.tensors.load import load_split, require_tensors
from pipeline.training.records.snapshots import snapshot_name

PLENTY = 10_000_000


def opened(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))


def test_grey_pictures_come_back_exactly_and_colour_ones_of_a_movie_nearly() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    assert np.array_equal(opened(film_uri(grey)), grey[0])
    smooth = np.broadcast_to(np.arange(0, 160, 10, dtype=np.uint8)[:, None], (3, 16, 16)).copy()
    assert np.array_equal(np.moveaxis(opened(png_uri(smooth)), -1, 0), smooth)
    assert np.abs(np.moveaxis(opened(film_uri(smooth)).astype(int), -1, 0) - smooth).max() < 12


def test_the_largest_size_within_the_budget_is_taken_or_else_the_last() -> None:
    assert largest_within([9, 5, 2], str, lambda made: 10 * int(made), 60) == (5, "5")
    assert largest_within([9, 5, 2], str, int, 0) == (2, "2")


def test_a_grid_shows_the_first_samples_of_each_member(entries: list[PageEntry], chain_paths: Paths) -> None:
    grids = gather_grids(entries, "mnist", chain_paths, PLENTY)
    images = read_images(entries[0].samples().path("samples.arrow"))
    second = images.pixels[images.columns["member"] == 1]
    shown = opened(grids["by_configuration"][entries[0].key][1]["uri"])
    assert np.array_equal(shown[:28, 30:58], second[1, 0])  # after the gap of 2
    assert np.array_equal(shown[30:58, :28], second[6, 0])  # the second row
    assert (grids["members"], grids["count"], grids["missing"]) == ([0, 1], 24, {})
    assert opened(grids["real"]).shape == shown.shape


@pytest.mark.parametrize("budget_bytes", [PLENTY, 0])
def test_grids_are_the_first_images_of_each_member_in_rows(
    entries: list[PageEntry], chain_paths: Paths, budget_bytes: int
) -> None:
    grids = gather_grids(entries, "mnist", chain_paths, budget_bytes)
    for entry in entries:
        images = read_images(entry.samples().path("samples.arrow"))
        for grid in grids["by_configuration"][entry.key]:
            pixels = images.pixels[images.columns["member"] == grid["member"]]
            assert np.array_equal(opened(grid["uri"]), tile(pixels[: grids["count"]], 6)[0])
    held_out = load_split(require_tensors(chain_paths, "mnist"), "test").pixels
    places = seeded_order(len(held_out), grids["count"])
    assert np.array_equal(opened(grids["real"]), tile(held_out[places], 6)[0])


def test_grids_beyond_the_budget_show_fewer_members_and_then_fewer_images(
    entries: list[PageEntry], chain_paths: Paths
) -> None:
    full = gather_grids(entries, "mnist", chain_paths, PLENTY)["by_configuration"]
    size_bytes = sum(len(picture["uri"]) for grid in full.values() for picture in grid)
    one_member = gather_grids(entries, "mnist", chain_paths, size_bytes - 1)
    assert (one_member["members"], one_member["count"], one_member["only_one_member"]) == ([0], 24, True)
    assert gather_grids(entries, "mnist", chain_paths, 0)["count"] == 6


def test_real_images_that_were_not_trained_on_are_not_shown(entries: list[PageEntry], chain_paths: Paths) -> None:
    manifest = chain_paths.tensors("mnist") / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"fingerprint": "other"}))
    grids = gather_grids(entries, "mnist", chain_paths, PLENTY)
    assert grids["real"] is None
    assert "the networks were trained on other images" in grids["missing"]["real images"]


def test_the_movie_holds_the_snapshots_of_the_first_member_at_pixel_size(entries: list[PageEntry]) -> None:
    movie = gather_movie(entries, PLENTY)
    training = entries[0].training()
    snapshot = np.asarray(Image.open(training.path(f"snapshots/{snapshot_name(0)}")))[::2, ::2]
    film = movie["by_configuration"][entries[0].key]
    sheet = opened(film["uri"])
    assert movie["steps"] == [0, 3]
    assert film["frames"] == [0, 1]
    assert np.array_equal(sheet[:28, 30:58], snapshot[:28, 30:58])  # the second image
    assert np.array_equal(sheet[30:58, :28], snapshot[:28, 120:148])  # the fifth image begins the second row
    assert not np.array_equal(sheet[:118, :118], sheet[:118, 118:])


def test_the_movie_shows_the_second_member_if_the_first_diverged(
    entries: list[PageEntry], second_alone: PageEntry
) -> None:
    both = np.asarray(Image.open(entries[0].training().path(f"snapshots/{snapshot_name(3)}")))[::2, ::2]
    (film,) = gather_movie([second_alone], PLENTY)["by_configuration"].values()
    sheet = opened(film["uri"])
    assert np.array_equal(sheet[:28, 118 : 118 + 28], both[30:58, :28])
    assert not np.array_equal(both[:28, :28], both[30:58, :28])


def add_snapshots(entry: PageEntry, steps: range) -> PageEntry:
    """Return a copy of a training with its first snapshot repeated at more steps."""
    training = entry.training()
    first = training.path(f"snapshots/{snapshot_name(0)}")
    files = dict(training.files)
    for step in steps:
        name = f"snapshots/{snapshot_name(step)}"
        training.path(name).write_bytes(first.read_bytes())
        files[name] = files[f"snapshots/{snapshot_name(0)}"]
    return replace(entry, stored_training=replace(training, files=files))


def test_a_long_movie_keeps_forty_steps_with_both_ends_and_shows_the_latest_snapshot(entries: list[PageEntry]) -> None:
    many = [add_snapshots(entries[0], range(10, 1000, 10)), entries[1]]
    movie = gather_movie(many, PLENTY)
    assert (len(movie["steps"]), movie["steps"][0], movie["steps"][-1]) == (40, 0, 990)
    assert movie["frames_left_out"] == 101 - 40
    assert len(set(movie["by_configuration"][many[0].key]["frames"])) == 40
    assert set(movie["by_configuration"][many[1].key]["frames"]) <= {0, 1}  # its last one stays
    assert len(gather_movie(many, 0)["steps"]) == 2


def test_strips_begin_and_end_with_the_first_two_samples_and_are_equal_there(entries: list[PageEntry]) -> None:
    strips = gather_interpolation(entries)["by_configuration"][entries[0].key]
    slerp, lerp = opened(strips["slerp"]), opened(strips["lerp"])
    samples = read_images(entries[0].samples().path("samples.arrow")).pixels
    for strip in (slerp, lerp):
        assert np.abs(strip[:, :28].astype(int) - samples[0, 0]).max() <= 1  # another block size may round differently
        assert np.abs(strip[:, -28:].astype(int) - samples[1, 0]).max() <= 1
    assert not np.array_equal(slerp, lerp)


def test_each_strip_is_drawn_on_its_own_way(entries: list[PageEntry]) -> None:
    training = entries[0].training()
    strips = gather_interpolation(entries)["by_configuration"][entries[0].key]
    generator = one_generator(training, 0)
    ends = first_latents(training, 0, 2)
    first, second = (np.tile(end, (12, 1)) for end in ends)
    drawn = {}
    for way, move in (("slerp", on_sphere), ("lerp", on_line)):
        drawn[way] = draw_pixels(training, generator, move(first, second, np.linspace(0, 1, 12, dtype=np.float32)))
        assert np.array_equal(opened(strips[way]), tile(drawn[way], 12)[0])
    assert not np.array_equal(drawn["slerp"], drawn["lerp"])


def test_a_sheet_holds_its_frames_side_by_side_without_a_gap(entries: list[PageEntry]) -> None:
    film = gather_movie(entries, PLENTY)["by_configuration"][entries[0].key]
    sheet: Pixels = opened(film["uri"])
    assert sheet.shape == (film["height"], 2 * film["width"])
