import numpy as np
import pytest

from pipeline.metrics.ladder.corruptions import (
    IMAGE_CORRUPTIONS,
    LEVELS,
    copy_training_images,
    corrupt,
    drop_modes,
    duplicate,
)
from pipeline.storage.images import Pixels


@pytest.fixture(scope="module")
def images() -> Pixels:
    """600 colour images: more than one block."""
    return waves(600, 32)


def waves(count: int, side: int) -> Pixels:
    """Smooth colour images that look the same at every size."""
    random = np.random.default_rng(0)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    phases = random.random((count, 3, 2, 1, 1)) * 6
    waves = np.sin(6 * x + phases[:, :, 0]) * np.cos(4 * y + phases[:, :, 1])
    pixels: Pixels = (127.5 + 120 * waves).astype(np.uint8)
    return pixels


def distances(first: Pixels, second: Pixels) -> np.ndarray:
    means: np.ndarray = np.abs(first.astype(np.float64) - second).mean(axis=(1, 2, 3))
    return means


@pytest.mark.parametrize("name", IMAGE_CORRUPTIONS)
def test_level_0_changes_nothing_and_each_level_changes_more(images: Pixels, name: str) -> None:
    levels = [corrupt(name, images, level) for level in range(LEVELS)]
    assert np.array_equal(levels[0], images)
    assert not np.shares_memory(levels[0], images)
    changes = [distances(level, images).mean() for level in levels]
    assert changes == sorted(changes)
    assert len(set(changes)) == LEVELS
    assert all(level.dtype == np.uint8 and level.shape == images.shape for level in levels)


@pytest.mark.parametrize("name", IMAGE_CORRUPTIONS)
def test_the_seed_and_the_place_alone_decide(images: Pixels, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = images.copy()
    first = corrupt(name, images, 2, seed=5)
    assert np.array_equal(images, kept)
    monkeypatch.setattr("pipeline.metrics.ladder.corruptions.BLOCK", 64)
    assert np.array_equal(corrupt(name, images, 2, seed=5), first)
    assert np.array_equal(corrupt(name, images[:10], 2, seed=5), first[:10])
    is_random = name in {"noise", "rectangles", "salt_pepper"}
    assert np.array_equal(corrupt(name, images, 2, seed=6), first) is not is_random


@pytest.mark.parametrize("name", IMAGE_CORRUPTIONS)
@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 3, 64, 64), (2, 1, 9, 14), (2, 3, 1, 1), (0, 1, 28, 28)])
def test_any_size_is_taken(name: str, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert corrupt(name, pixels, 3).shape == shape


@pytest.mark.parametrize("name", ["blur", "swirl", "rectangles"])
def test_lengths_follow_the_side_so_that_sizes_are_disturbed_alike(name: str) -> None:
    changes = [distances(corrupt(name, images, 3), images).mean() for images in (waves(100, 40), waves(100, 80))]
    assert changes[0] == pytest.approx(changes[1], rel=0.1)


def test_noise_mixes_the_named_share_of_a_grey_normal_distribution() -> None:
    black = np.zeros((20, 1, 32, 32), np.uint8)
    changed = corrupt("noise", black, 2).astype(np.float64)
    assert changed.mean() == pytest.approx(0.5 * 127.5, abs=0.5)
    assert changed.std() == pytest.approx(0.5 * 255 / 6, rel=0.02)


def test_blur_keeps_the_brightness_and_spreads_a_spot_by_its_deviation() -> None:
    spot = np.zeros((1, 1, 64, 64), np.uint8)
    spot[0, 0, 30:35, 30:35] = 255  # of variance 2
    wide = corrupt("blur", spot, 2)[0, 0].astype(np.float64)  # by 2 pixels
    assert wide.sum() == pytest.approx(25 * 255, rel=0.01)
    assert (wide.sum(axis=0) @ np.square(np.arange(64) - 32)) / wide.sum() == pytest.approx(2 + 2**2, rel=0.05)


def test_five_rectangles_cover_their_share_but_for_overlaps() -> None:
    white = np.full((400, 1, 64, 64), 255, np.uint8)
    for level, amount in enumerate((0, 0.25, 0.5, 0.75)):
        share = (corrupt("rectangles", white, level) == 0).mean()
        assert 0.8 * (1 - (1 - amount / 5) ** 5) <= share <= amount  # the border is covered less often than the middle


def test_a_swirl_turns_the_centre_and_leaves_the_corners() -> None:
    half = np.zeros((1, 1, 65, 65), np.uint8)
    half[..., 33:] = 255  # right of the centre
    turned = corrupt("swirl", half, 3)[0, 0]  # by 4 radians at the centre
    assert turned[32, 30] != half[0, 0, 32, 30]
    assert np.array_equal(turned[:4, :4], half[0, 0, :4, :4])
    assert np.array_equal(turned[-4:, -4:], half[0, 0, -4:, -4:])


def test_salt_and_pepper_strike_the_named_share_half_each_and_all_channels_of_a_pixel() -> None:
    grey = np.full((100, 3, 32, 32), 100, np.uint8)
    for level, share in enumerate((0, 0.1, 0.2, 0.3)):
        changed = corrupt("salt_pepper", grey, level)
        assert (changed == 0).mean() == pytest.approx(share / 2, abs=0.005)
        assert (changed == 255).mean() == pytest.approx(share / 2, abs=0.005)
        assert (changed == changed[:, :1]).all()
    stronger = corrupt("salt_pepper", grey, 3)
    weaker = corrupt("salt_pepper", grey, 1)
    assert (stronger[weaker != 100] == weaker[weaker != 100]).all()  # a level adds to the one before


@pytest.mark.parametrize("level", [-1, 4])
def test_other_levels_are_refused_with_a_sentence(images: Pixels, level: int) -> None:
    places = np.arange(10)
    for corruption in (
        lambda: corrupt("noise", images, level),
        lambda: duplicate(places, level),
        lambda: copy_training_images(places, places, level),
        lambda: drop_modes(places, places, places, level),
    ):
        with pytest.raises(ValueError, match=f"found level {level}, expected 0 .* to 3"):
            corruption()


def test_other_pixels_are_refused_with_a_sentence(images: Pixels) -> None:
    with pytest.raises(ValueError, match=r"found float32 pixels .* expected uint8 \(N, C, H, W\)"):
        corrupt("blur", images.astype(np.float32), 1)
    with pytest.raises(ValueError, match=r"shape \(600, 32, 32\), expected"):
        corrupt("blur", images[:, 0], 1)


def test_of_ten_classes_1_3_and_5_are_dropped_and_no_image_is_there_twice() -> None:
    random = np.random.default_rng(0)
    modes = random.permutation(np.arange(3000) % 10)
    judged, spare = np.arange(1000), np.arange(1000, 3000)
    assert np.array_equal(drop_modes(judged, spare, modes, 0), judged)
    for level, dropped in ((1, 1), (2, 3), (3, 5)):
        chosen = drop_modes(judged, spare, modes, level)
        assert len(set(modes[chosen])) == 10 - dropped
        assert len(set(chosen)) == len(chosen) == 1000
        stayed = np.isin(modes[judged], modes[chosen])
        assert np.array_equal(chosen[stayed], judged[stayed])


@pytest.mark.parametrize("frequencies", [[0.5, 0.5], [0.9, 0.1], [0.4, 0.35, 0.25], [0.7, 0.1, 0.1, 0.05, 0.05]])
def test_the_rarest_modes_go_and_as_many_spare_images_as_judged_ones_are_enough(frequencies: list[float]) -> None:
    modes = np.random.default_rng(1).choice(len(frequencies), 800, p=frequencies)
    judged, spare = np.arange(400), np.arange(400, 800)
    for level in (1, 2, 3):
        chosen = drop_modes(judged, spare, modes, level)
        assert len(set(chosen)) == 400
        kept = sorted(set(modes[chosen]))
        counts = np.bincount(modes, minlength=len(frequencies))
        assert counts[kept].min() >= max((counts[mode] for mode in set(modes) - set(kept)), default=0)
        assert len(kept) < len(frequencies)


def test_one_mode_cannot_be_dropped_and_too_few_spare_images_are_refused() -> None:
    places = np.arange(10)
    assert np.array_equal(drop_modes(places[:5], places[5:], np.zeros(10, np.int64), 3), places[:5])
    with pytest.raises(ValueError, match="found 0 spare images of the modes kept, expected at least 2"):
        drop_modes(np.arange(5), np.arange(5, 5), np.array([0, 0, 0, 1, 1]), 3)


@pytest.mark.parametrize(("level", "different"), [(0, 1000), (1, 500), (2, 200), (3, 50)])
def test_duplication_keeps_the_count_and_leaves_fewer_different_images(level: int, different: int) -> None:
    chosen = duplicate(np.arange(1000), level)
    assert len(chosen) == 1000
    assert len(set(chosen)) == different
    assert np.unique(chosen, return_counts=True)[1].tolist() == [1000 // different] * different


@pytest.mark.parametrize(("level", "copies"), [(0, 0), (1, 10), (2, 50), (3, 100)])
def test_the_named_share_is_copied_each_training_image_once(level: int, copies: int) -> None:
    judged, train = np.arange(100), np.arange(1000, 1200)
    chosen = copy_training_images(judged, train, level)
    assert len(chosen) == len(set(chosen)) == 100
    assert (chosen >= 1000).sum() == copies
    assert np.array_equal(chosen[copies:], judged[copies:])


def test_too_few_training_images_are_refused() -> None:
    with pytest.raises(ValueError, match="found 30 training images, expected at least 50 to copy"):
        copy_training_images(np.arange(100), np.arange(30), 2)
