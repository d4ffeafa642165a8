from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.metrics.extractors.extractor import Extractor
from pipeline.metrics.features import NO_LOGITS, Features
from pipeline.metrics.standalone.extraction import ProgressBar, extract_images
from pipeline.metrics.standalone.image_sets import open_images
from pipeline.storage.images import Pixels


def mean_brightness(pixels: Pixels) -> Features:
    means = pixels.reshape(len(pixels), -1).mean(axis=1, keepdims=True, dtype=np.float32)
    return Features(np.hstack([means, np.full_like(means, pixels.shape[-1])]))


EXTRACTOR = Extractor("brightness", "0" * 64, NO_LOGITS, "none", lambda: mean_brightness)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """300 images of three sizes, each brighter than the one before."""
    for index in range(300):
        side = 8 + index % 3
        Image.fromarray(np.full((side, side), index // 2, np.uint8)).save(tmp_path / f"{index:03}.png")
    return tmp_path


def test_images_of_different_sizes_keep_their_order(folder: Path) -> None:
    features = extract_images(open_images(folder), EXTRACTOR, None).features.features
    assert np.array_equal(features[:, 0], np.arange(300) // 2)
    assert np.array_equal(features[:, 1], 8 + np.arange(300) % 3)


def test_a_terminal_shows_a_bar_and_elsewhere_there_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    extract_images(open_images(folder), EXTRACTOR, None)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    extract_images(open_images(folder), EXTRACTOR, None)
    shown = capsys.readouterr()
    assert "brightness features: 100%" in shown.err
    assert "300/300" in shown.err
    assert shown.out == ""


def test_the_bar_on_a_terminal_shows_the_number_of_images_done(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar("features", 40)
    bar.report(30)
    bar.close()
    assert "30/40" in capsys.readouterr().err
