import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.metrics.catalogue import score_names
from pipeline.metrics.extractors.classifier import train_classifier
from pipeline.metrics.extractors.extractor import Extractor, require_extractor
from pipeline.metrics.features import Features
from pipeline.metrics.identity import ClassifierSettings
from pipeline.metrics.ladder import make_ladder
from pipeline.metrics.ladder.corruptions import IMAGE_CORRUPTIONS, SET_CORRUPTIONS, corrupt
from pipeline.metrics.ladder.levels import Ladder, score_levels
from pipeline.metrics.ladder.make import SCHEMA
from pipeline.metrics.ladder.picture import write_picture
from pipeline.metrics.ladder.real_images import RealImages, modes_of, real_images
from pipeline.metrics.reference import Reference, load_reference, make_reference
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build
from pipeline.tensors.load import load_split, require_tensors
from tests.conftest import barred_digits

WIDTH = 16
USUAL, SHORT = ClassifierSettings(), ClassifierSettings(most_epochs=2)


def project(pixels: Pixels) -> Features:
    """A fixed random projection with a nonlinearity, and "classes" that are the place of the bar."""
    random = np.random.default_rng(0)
    flat = pixels.reshape(len(pixels), -1) / 127.5 - 1
    features = np.maximum(flat @ random.standard_normal((flat.shape[1], WIDTH)) / 8, 0)
    cells = [
        pixels[:, 0, 2 + 5 * (label % 5) : 5 + 5 * (label % 5), 2 + 14 * (label // 5) : 12 + 14 * (label // 5)]
        for label in range(10)
    ]
    return Features(features, np.stack([cell.mean(axis=(1, 2)) / 10 for cell in cells], axis=1))


PROJECTION = Extractor("projection", "0" * 64, "classes", "none", lambda: project)


def split(count: int, seed: int) -> ImageFile:
    images, labels = barred_digits(count, seed)
    return ImageFile(images[:, None], {"label": labels.astype(np.int64)}, {})


@pytest.fixture(scope="module")
def real_set() -> RealImages:
    """900 held-out "digits" and 600 to train on, as the projection sees them."""
    test, train = split(900, 1), split(600, 2)
    order = np.random.default_rng(0).permutation(600)
    reference = Reference(project(test.pixels), project(train.pixels[order]), project(test.pixels[:5]), "classes")
    return real_images(test, train, reference, 300)


@pytest.fixture(scope="module")
def ladder(real_set: RealImages) -> Ladder:
    return score_levels(real_set, PROJECTION)


def values(ladder: Ladder, corruption: str, metric: str) -> list[float | None]:
    return [row.value for row in ladder.rows if (row.corruption, row.metric) == (corruption, metric)]


def fids_of(ladder: Ladder, corruption: str) -> list[float]:
    """FID at every level; it is defined at each."""
    fids = [fid for fid in values(ladder, corruption, "fid") if fid is not None]
    assert len(fids) == len(values(ladder, corruption, "fid"))
    return fids


def test_every_score_stands_at_every_level_of_every_corruption(ladder: Ladder) -> None:
    assert list(ladder.verdicts) == [*IMAGE_CORRUPTIONS, *SET_CORRUPTIONS]
    metrics = score_names("classes")
    assert [(row.corruption, row.level, row.metric) for row in ladder.rows] == [
        (corruption, level, metric) for corruption in ladder.verdicts for level in range(4) for metric in metrics
    ]
    assert {row.amount for row in ladder.rows if row.corruption == "swirl"} == {0, 1, 2, 4}


def test_level_0_is_the_same_clean_images_under_every_corruption(ladder: Ladder) -> None:
    for metric in score_names("classes"):
        assert len({values(ladder, corruption, metric)[0] for corruption in ladder.verdicts}) == 1


@pytest.mark.parametrize("corruption", ["noise", "blur", "rectangles", "salt_pepper"])
def test_the_frechet_distance_of_a_random_projection_rises_with_each_level(ladder: Ladder, corruption: str) -> None:
    fids = fids_of(ladder, corruption)
    assert fids == sorted(fids)
    assert ladder.verdicts[corruption]["fid"] == "sees"


def test_dropped_classes_are_detected_by_metrics_of_variety_and_not_by_precision(ladder: Ladder) -> None:
    verdicts = ladder.verdicts["mode_drop"]
    assert {verdicts[name] for name in ("fid", "kid", "coverage", "inception_score", "missing_classes")} == {"sees"}
    assert verdicts["precision"] == "blind"
    assert values(ladder, "mode_drop", "missing_classes") == [0, 1, 3, 5]
    assert values(ladder, "mode_drop", "per_class_fid")[1:] == [None, None, None]
    assert verdicts["per_class_fid"] == "undefined"


def test_copies_of_training_images_are_seen_by_memorisation_scores_alone(ladder: Ladder) -> None:
    verdicts = ladder.verdicts["copies"]
    assert {verdicts["memorisation_distance"], verdicts["authenticity"]} == {"sees"}
    assert {verdicts[name] for name in ("fid", "kid", "precision", "recall", "coverage")} <= {"blind", "misled"}
    assert values(ladder, "copies", "memorisation_distance")[3] == 0


def test_duplicates_cost_coverage(ladder: Ladder) -> None:
    assert ladder.verdicts["duplication"]["coverage"] == "sees"


def test_a_ladder_repeats(real_set: RealImages, ladder: Ladder) -> None:
    assert score_levels(real_set, PROJECTION) == ladder


def test_no_image_is_on_two_sides(real_set: RealImages) -> None:
    sides = [real_set.order[:300], real_set.to_corrupt, real_set.spare]
    assert sorted(np.concatenate(sides)) == list(range(900))


def test_the_copied_training_images_are_those_the_features_are_of(real_set: RealImages) -> None:
    copied = real_set.rows_after("copies", 3)
    # products of other numbers of rows may round differently
    assert np.allclose(project(real_set.pixels(copied)).features, real_set.features_of(copied).features, rtol=1e-12)


def test_the_picture_shows_the_levels_side_by_side(real_set: RealImages, tmp_path: Path) -> None:
    write_picture(tmp_path / "ladder.png", real_set)
    picture = np.asarray(Image.open(tmp_path / "ladder.png"))[::2, ::2]  # 20 images per row, 28 pixels and a gap of 2
    assert picture.shape == (8 * 30 - 2, 20 * 30 - 2)
    clean, noisy = picture[:28, :28], picture[:28, 5 * 30 : 5 * 30 + 28]
    assert np.array_equal(clean, real_set.test[real_set.to_corrupt[0], 0])
    assert np.array_equal(noisy, corrupt("noise", real_set.test[real_set.to_corrupt[:1]], 1)[0, 0])
    duplicates = [picture[6 * 30 : 6 * 30 + 28, place * 30 : place * 30 + 28] for place in (10, 14, 19)]
    assert all(np.array_equal(clean, image) for image in duplicates)
    copies = picture[7 * 30 :, 15 * 30 : 15 * 30 + 28]
    assert np.array_equal(copies, real_set.train[0, 0])


def test_images_without_labels_have_no_modes_to_drop() -> None:
    test, train = split(90, 1), split(60, 2)
    test.columns.clear()
    seen = Features(project(test.pixels).features)
    reference = Reference(seen, Features(project(train.pixels).features), seen, "none")
    sides = real_images(test, train, reference)
    assert "mode_drop" not in sides.corruptions
    assert sides.images == 30


def test_modes_of_attributes_are_combinations_of_the_most_even_ones() -> None:
    random = np.random.default_rng(0)
    attributes = (random.random((400, 5)) < (0.9, 0.5, 0.02, 0.45, 0.55)).astype(np.uint8)
    modes = modes_of(ImageFile(np.zeros((400, 1, 2, 2), np.uint8), {"attributes": attributes}, {}))
    assert modes is not None
    assert set(modes) == set(range(8))
    same = (attributes[:, None, [1, 3, 4]] == attributes[None, :, [1, 3, 4]]).all(axis=2)
    assert np.array_equal(modes[:, None] == modes[None], same)


def test_too_few_images_are_refused_with_the_expected_number() -> None:
    test, train = split(50, 1), split(40, 2)
    reference = Reference(project(test.pixels), project(train.pixels), project(test.pixels), "classes")
    with pytest.raises(ValueError, match="found 50 held-out and 40 training images for a ladder of 16, expected at le"):
        real_images(test, train, reference)


# ---------------------------------------------------------------------------------------------------------------------
# The artefact


def made(dataset: str, paths: Paths, settings: ClassifierSettings = USUAL) -> Artefact:
    acquire(DATASETS[dataset], paths)
    build(DATASETS[dataset], paths)
    return train_classifier(dataset, paths, settings=settings)


def test_the_artefact_is_kept_until_its_inputs_change(
    named_small_mnist: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 100)
    classifier = made("mnist", paths, SHORT)
    with pytest.raises(FileNotFoundError, match="no reference features there; materialize mnist/reference first"):
        make_ladder("mnist", paths)
    make_reference("mnist", paths)
    artefact = make_ladder("mnist", paths)
    assert artefact.folder == paths.ladder("mnist") == paths.root / "metrics" / "mnist" / "ladder"
    assert artefact.details["images"] == 40
    assert artefact.details["extractor_sha256"] == classifier.details["weights_sha256"]
    assert make_ladder("mnist", paths).cached
    assert not make_ladder("mnist", paths, images=30).cached
    table = pq.read_table(artefact.path("ladder.parquet"))
    assert table.schema.equals(SCHEMA)
    assert table["value"].null_count > 0  # the distance by class where classes are dropped
    assert artefact.details["verdicts"]["mode_drop"]["per_class_fid"] == "undefined"
    assert json.loads(json.dumps(artefact.details, allow_nan=False)) == artefact.details


# ---------------------------------------------------------------------------------------------------------------------
# Heusel et al. 2017 on real images: the distance rises with each level of each disturbance


def expect_the_papers_order(dataset: str, images: int, paths: Paths) -> Ladder:
    made(dataset, paths)
    reference = load_reference(make_reference(dataset, paths))
    test, train = (load_split(require_tensors(paths, dataset), name) for name in ("test", "train"))
    sides = real_images(test, train, reference, images)
    ladder = score_levels(sides, require_extractor("classifier", dataset, paths))
    for corruption in IMAGE_CORRUPTIONS:
        fids = fids_of(ladder, corruption)
        assert fids == sorted(set(fids)), corruption
        assert ladder.verdicts[corruption]["fid"] == "sees", corruption
    copies = ladder.verdicts["copies"]
    assert {copies["memorisation_distance"], copies["authenticity"]} == {"sees"}
    assert {copies[name] for name in ("fid", "kid", "precision")} <= {"blind", "misled"}
    return ladder


@pytest.mark.slow
def test_the_distance_on_real_digits_rises_as_the_paper_found(real_mnist: Path, paths: Paths) -> None:
    ladder = expect_the_papers_order("mnist", 1000, paths)
    dropped = ladder.verdicts["mode_drop"]
    assert {dropped[name] for name in ("fid", "kid", "recall", "coverage", "missing_classes")} == {"sees"}
    assert values(ladder, "mode_drop", "missing_classes") == [0, 1, 3, 5]
    assert dropped["precision"] == "blind"
    assert ladder.verdicts["duplication"]["coverage"] == "sees"


@pytest.mark.slow
def test_the_distance_on_real_faces_rises_as_the_paper_found(real_celeba: Path, paths: Paths) -> None:
    expect_the_papers_order("celeba", 333, paths)
