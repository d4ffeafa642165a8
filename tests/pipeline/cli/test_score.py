import itertools
import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.__main__ import main
from pipeline.metrics.extractors import extractor as extractors
from pipeline.metrics.extractors.extractor import Extractor
from pipeline.metrics.features import IMAGENET, Features
from pipeline.metrics.metric import Metric, Need
from pipeline.metrics.standalone.score_sets import standalone_metrics
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import PROJECT, Paths
from pipeline.tensors.build import build
from tests.pipeline.cli.command import run


def keys_of(metric: Metric) -> list[str]:
    with_errors = [
        [score.name, *([f"{score.name}_standard_error"] if score.has_error else [])] for score in metric.scores
    ]
    details = [f"{score.name}_{key}" for score in metric.scores for key in score.details]
    return [*itertools.chain.from_iterable(with_errors), *details]


COPIES = [metric for metric in standalone_metrics() if Need.TRAINING_IMAGES in metric.needs]
KEYS = [
    *(key for metric in standalone_metrics() if metric not in COPIES for key in keys_of(metric)),
    *("n_real", "n_generated", "dimensions", "k", "notes"),
]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
PAGE = PROJECT / "docs" / "scoring.md"


def command(*words: object) -> int:
    return run("score", *words)


def in_json(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert command(*words, "--json") == 0
    scores: dict[str, Any] = json.loads(capsys.readouterr().out)
    return scores


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[Path]]:
    def save(**arrays: np.ndarray) -> list[Path]:
        for name, values in arrays.items():
            np.save(tmp_path / f"{name}.npy", values)
        return [tmp_path / f"{name}.npy" for name in arrays]

    return save


def gaussian(count: int, seed: int, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


@pytest.fixture
def inception(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that takes images of any size, in place of 95 MB of weights."""

    def extract(pixels: Pixels) -> Features:
        values = pixels.astype(np.float64)
        seen = [values.mean((1, 2, 3)), values.std((1, 2, 3)), values[:, 0, 0, 0], values[:, -1, -1, -1]]
        return Features(np.stack(seen, axis=1), np.stack(seen, axis=1) / 50)

    extractor = Extractor("inception", "a" * 64, IMAGENET, "mean", lambda: extract)
    monkeypatch.setitem(extractors.EXTRACTORS, "inception", lambda dataset, paths: extractor)


@pytest.fixture
def classifier(named_small_mnist: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors, a hardly trained classifier and its reference features: made in a moment, and of the right form."""
    from pipeline.metrics import reference
    from pipeline.metrics.extractors.classifier import train_classifier
    from pipeline.metrics.identity import ClassifierSettings

    acquire(DATASETS["mnist"], paths)
    build(DATASETS["mnist"], paths)
    train_classifier("mnist", paths, settings=ClassifierSettings(images_seen=200))
    monkeypatch.setattr(reference, "ANCHOR_IMAGES", 30)
    reference.make_reference("mnist", paths)


def test_json_has_every_key_in_order_and_nothing_else_is_on_standard_output(
    files: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    real, generated, logits = files(real=gaussian(40, 1), generated=gaussian(30, 2), logits=gaussian(30, 3))
    scores = in_json(capsys, "--features", real, generated, "--logits", logits, "--k", 3)
    assert list(scores) == KEYS
    assert None not in scores.values()
    assert (scores["n_real"], scores["n_generated"], scores["dimensions"], scores["k"]) == (40, 30, 6, 3)


def test_an_undefined_score_is_null_with_a_note(
    files: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    real, generated = files(real=gaussian(40, 1), generated=gaussian(3, 2))
    scores = in_json(capsys, "--features", real, generated)
    assert list(scores) == KEYS
    assert scores["fid"] > 0
    for name in ("fid_standard_error", "fid_infinity", "kid", "precision", "inception_score"):
        assert scores[name] is None
    assert any(note.startswith("kid: not defined, found 3 images, expected at least 4") for note in scores["notes"])


def test_logits_and_their_probabilities_give_the_same_inception_score(
    files: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    values = gaussian(50, 3)
    logits, probabilities = files(logits=values, p=np.exp(values) / np.exp(values).sum(1, keepdims=True))
    one, other = in_json(capsys, "--logits", logits), in_json(capsys, "--probabilities", probabilities)
    assert one["inception_score"] == pytest.approx(other["inception_score"], rel=1e-12)
    assert one["fid"] is None
    assert "nothing but the Inception Score" in one["notes"][0]


def test_statistics_alone_give_the_fid_of_the_features_they_are_of(
    files: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    values = gaussian(40, 1)
    real, generated = files(real=values, generated=gaussian(30, 2))
    np.savez(tmp_path / "statistics.npz", mu=values.mean(axis=0), sigma=np.cov(values.T))
    scores = in_json(capsys, "--features", tmp_path / "statistics.npz", generated)
    assert scores["fid"] == pytest.approx(in_json(capsys, "--features", real, generated)["fid"], rel=1e-9)
    assert scores["kid"] is None
    assert scores["n_real"] is None
    assert "mean and covariance alone" in scores["notes"][0]


def test_training_features_add_the_scores_that_find_copies(
    files: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    real, generated, train = files(real=gaussian(40, 1), generated=gaussian(30, 2), train=gaussian(30, 2))
    scores = in_json(capsys, "--features", real, generated, "--train", train)
    assert set(scores) - set(KEYS) == {"n_train", *(key for metric in COPIES for key in keys_of(metric))}
    assert scores["memorisation_distance"] == pytest.approx(0, abs=1e-12)
    assert scores["n_train"] == 30


def test_the_table_shows_95_percent_intervals(
    files: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    real, generated = files(real=gaussian(40, 1), generated=gaussian(30, 2))
    scores = in_json(capsys, "--features", real, generated)
    assert command("--features", real, generated) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "30 generated images against 40 real ones, 6 dimensions, k = 5"
    (row,) = [re.split(r"\s{2,}", line) for line in lines if line.startswith("kid ")]
    half_width = 1.959963984540054 * scores["kid_standard_error"]
    assert row[1:] == [
        f"{scores['kid']:.6g}",
        f"{scores['kid'] - half_width:.6g} to {scores['kid'] + half_width:.6g}",
        "lower",
    ]
    assert [line for line in lines if line.startswith("- ")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--features", "a.npy", "b.npy"], r"found 6 dimensions in a\.npy and 5 in b\.npy, expected equally many"),
        (["--features", "a.npy"], "found REAL alone, expected REAL and GENERATED"),
        (["a.npy", "b.npy", "--logits", "a.npy"], "expected --features as well"),
        (["--features", "a.npy", "a.npy", "--logits", "few.npy"], r"found 9 rows in a\.npy and 4 in few\.npy"),
        (["--features", "a.npy", "a.npy", "--train", "b.npy"], r"found 5 dimensions in b\.npy and 6 in a\.npy"),
        (["--features", "a.npy", "a.npy", "--extractor", "mnist"], "--extractor is for images"),
        (["--features", "a.npy", "nan.npy"], r"nan\.npy: 1 of 9 images have NaN or infinite values"),
        (["--features", "none.npy", "a.npy"], r"none\.npy: found nothing there"),
        (["--probabilities", "a.npy"], r"a\.npy: found 9 of 9 rows that are not probabilities"),
        (
            ["--features", "a.npy", "s.npz"],
            r"s\.npz: found an \.npz of mu and sigma in GENERATED's place, .* in REAL's",
        ),
        (["--features", "other.npz", "a.npy"], r"other\.npz: found an \.npz without mu and sigma in REAL's place"),
        (
            ["--features", "a.npy", "a.npy", "--train", "s.npz"],
            r"s\.npz: found .* in TRAIN's place, .* an \.npy \(N, D\)",
        ),
        (["--features", "a.npy", "a.npy", "--sheet", "s.png"], "--sheet is for images"),
        (["mnist", "images.npy", "--sheet", "s.png"], "--sheet needs --train TRAIN"),
        (["mnist", "images.npy", "--train", "images.npy", "--sheet", "s.jpg"], r"s\.jpg, expected the name of a \.png"),
        (["mnist", "images.npy", "--train", "images.npy", "--sheet", "no/s.png"], "there is no folder no; make it"),
        ([], "found neither REAL nor GENERATED"),
        (["mnist", "a.npy"], r"a\.npy: found float64 of shape \(9, 6\), expected uint8"),
        (["nowhere", "images.npy"], r"nowhere: no such file or folder, nor a data set's key \(.*mnist, "),
        (["images.npy", "images.npy", "--extractor", "nothing"], "extractor 'nothing' does not exist; expected one of"),
        (["images.npy", "images.npy", "--extractor", "mnist"], "no classifier there; materialize mnist/classifier"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    values = gaussian(9, 1)
    spoilt = values.copy()
    spoilt[0, 0] = np.nan
    arrays = {"a": values, "b": gaussian(9, 2, 5), "few": values[:4], "nan": spoilt}
    for name, array in {**arrays, "images": np.zeros((9, 4, 4), np.uint8)}.items():
        np.save(f"{name}.npy", array)
    np.savez("s.npz", mu=values.mean(axis=0), sigma=np.cov(values.T))
    np.savez("other.npz", values)
    monkeypatch.setattr(sys, "argv", ["ganforge", "score", *words])
    assert main() == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.search(sentence, printed.err)
    assert printed.err.startswith("ganforge: ")
    assert printed.err.count("\n") == 1


def test_features_too_large_to_compute_with_leave_scores_undefined_without_a_warning(
    files: Callable[..., list[Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    real, generated = files(real=gaussian(40, 1), generated=1e200 * gaussian(30, 2))
    for words in ((real, generated), (generated, generated), (real, generated, "--train", real)):
        scores = in_json(capfd, "--features", *words)
        for name in ("fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage"):
            assert scores[name] is None
            assert any(
                name in note and "not defined, the features' values are too large" in note for note in scores["notes"]
            )
        assert scores.get("authenticity") is None
        assert capfd.readouterr().err == ""


def test_the_sheet_shows_each_of_the_closest_images_above_its_nearest_training_image(
    inception: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    generated = random.integers(0, 256, (30, 6, 6), np.uint8)
    generated[0] = 50
    plain = np.full((3, 5, 3), 50, np.uint8)
    (tmp_path / "train").mkdir()
    for index in range(20):
        image = np.repeat(generated[29 - index, ..., None], 3, axis=2) if index in (4, 9) else plain
        Image.fromarray(image).save(tmp_path / "train" / f"{index:02}.png")
    (tmp_path / "train" / "02.png").write_bytes(b"none")  # the rows of features are not the places of images
    np.save(tmp_path / "generated.npy", generated)
    sheet, words = tmp_path / "sheet.png", (tmp_path / "generated.npy", tmp_path / "generated.npy")
    in_json(capsys, *words, "--train", tmp_path / "train", "--skip-unreadable", "--sheet", sheet)
    with Image.open(sheet) as picture:
        assert (picture.size, picture.mode) == ((2 * (16 * 8 - 2), 2 * (2 * 8 - 2)), "RGB")
        pixels = np.asarray(picture)[::2, ::2]
    for column, copied in ((1, 20), (2, 25)):  # of equal distances the first image comes first
        tiles = pixels[:, 8 * column : 8 * column + 6]
        assert np.array_equal(tiles[:6], np.repeat(generated[copied, ..., None], 3, axis=2))
        assert np.array_equal(tiles[8:14], tiles[:6])
    assert (pixels[:6, :6] == 50).all()
    assert pixels[8:14, 0, 0].tolist() == [0, 50, 50, 50, 50, 0]  # of other proportions, so between two bars


def test_features_are_scored_without_importing_torch_or_dagster(files: Callable[..., list[Path]]) -> None:
    real, generated = files(real=gaussian(40, 1), generated=gaussian(30, 2))
    program = (
        "import sys; from pipeline.cli.__main__ import main; code = main(); "
        "sys.exit(code or ('torch' in sys.modules) * 2 + ('dagster' in sys.modules) * 4)"
    )
    words = [sys.executable, "-c", program, "score", "--features", str(real), str(generated)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "fid_infinity" in done.stdout


def test_images_of_different_sizes_keep_their_places(
    inception: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "folder").mkdir()
    for index in range(30):
        size = (4, 4) if index % 3 else (6, 5, 3)
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(tmp_path / "folder" / f"{index:02}.png")
    scores = in_json(capsys, tmp_path / "folder", tmp_path / "folder")
    assert scores["fid"] == pytest.approx(0, abs=1e-6)
    assert scores["notes"][0] == "REAL and GENERATED are the same"
    protocol = {"extractor": "inception", "extractor_sha256": "a" * 64, "resize": "mean"}
    assert protocol.items() <= scores["protocol"].items()

    from pipeline.metrics.standalone import extraction
    from pipeline.metrics.standalone.image_sets import open_images

    images, network = open_images(tmp_path / "folder"), extractors.require_extractor("inception", "", Paths.default())
    features = extraction.extract_images(images, network, None).features
    monkeypatch.setattr(extraction, "BATCH_IMAGES", 4)
    assert np.array_equal(extraction.extract_images(images, network, None).features.features, features.features)
    first = [images.images.read(index).reshape(-1)[0] for index in range(30)]
    assert features.features[:, 2].tolist() == first


def test_unreadable_images_are_an_error_that_counts_them_or_left_out_with_a_note(
    inception: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    for index in range(20):
        Image.fromarray(random.integers(0, 256, (4, 4), np.uint8)).save(tmp_path / f"{index:02}.png")
    answer = in_json(capsys, tmp_path, tmp_path)
    for index in (3, 17):
        (tmp_path / f"{index:02}.png").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"2 of 20 images cannot be read, first 03\.png \(begins with 0x6e6f6e65"):
        command(tmp_path, tmp_path)
    scores = in_json(capsys, tmp_path, tmp_path, "--skip-unreadable")
    assert (answer["n_generated"], scores["n_generated"]) == (20, 18)
    assert any("2 of 20 images cannot be read" in note and "left out" in note for note in scores["notes"])


def test_a_data_set_is_the_real_side_with_its_own_classifier_and_training_images(
    classifier: None, paths: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    test = read_images(paths.tensors("mnist") / "test.arrow").pixels
    np.save(tmp_path / "same.npy", test)
    scores = in_json(capsys, "mnist", tmp_path / "same.npy")
    assert scores["fid"] == pytest.approx(0, abs=1e-6)
    assert (scores["n_real"], scores["n_generated"], scores["n_train"], scores["dimensions"]) == (120, 120, 300, 128)
    assert scores["protocol"]["extractor"] == "mnist classifier"
    assert scores["protocol"]["real"] == "mnist, held-out test images"
    by_name = in_json(capsys, paths.tensors("mnist") / "test.arrow", tmp_path / "same.npy", "--extractor", "mnist")
    assert by_name["kid"] == pytest.approx(scores["kid"], rel=1e-6)
    copies = in_json(capsys, "mnist", paths.tensors("mnist") / "train.arrow")
    assert copies["authenticity"] == 0


def test_a_classifier_takes_grey_digits_stored_as_rgb_and_no_other_size(
    classifier: None, paths: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    test = read_images(paths.tensors("mnist") / "test.arrow").pixels
    np.save(tmp_path / "rgb.npy", np.repeat(test, 3, axis=1))
    assert in_json(capsys, "mnist", tmp_path / "rgb.npy")["fid"] == pytest.approx(0, abs=1e-6)
    np.save(tmp_path / "large.npy", np.zeros((9, 32, 32), np.uint8))
    with pytest.raises(ValueError, match=r"large\.npy: image 0 is 32 x 32 grey, expected 28 x 28 grey"):
        command("mnist", tmp_path / "large.npy")
    colour = np.random.default_rng(0).integers(0, 256, (9, 28, 28, 3), np.uint8)
    np.save(tmp_path / "colour.npy", colour)
    with pytest.raises(ValueError, match=r"image 0 is 28 x 28 RGB, expected 28 x 28 grey"):
        command("mnist", tmp_path / "colour.npy")


def test_the_page_on_scoring_runs_as_it_stands(
    inception: None,
    classifier: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    for language, text in BLOCK.findall(page):
        if language == "python":
            Path(text.partition("\n")[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    lines = [line for language, text in BLOCK.findall(page) if language == "sh" for line in text.splitlines()]
    assert len(lines) == 9
    for line in lines:
        program, *words = shlex.split(line.partition(" > ")[0])
        if program == "python":
            runpy.run_path(words[0])
            continue
        assert (program, words.pop(0)) == ("ganforge", "score")
        assert command(*words) == 0
        assert re.search(r"(fid|inception_score)\"?:? +\d", capsys.readouterr().out), line
