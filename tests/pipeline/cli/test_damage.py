"""Commands that read files which differ from their manifests: one sentence, and no output is left."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.samples.generate import generate
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError
from tests.damage import flip_a_byte
from tests.pipeline.cli.command import run
from tests.pipeline.cli.test_score import classifier as classifier  # a fixture
from tests.pipeline.samples.example_training import untrained_training


@pytest.fixture
def training(paths: Paths) -> Artefact:
    """A generator, and samples of it."""
    made = untrained_training(paths, "mnist_mlp", members=1)
    generate(made, 40, paths)
    return made


@pytest.mark.parametrize("damaged", ["generator.safetensors", "settings.json"])
@pytest.mark.parametrize(("command", "output"), [("export", "g.onnx"), ("sample", "g.png"), ("sample", "g.npz")])
def test_one_flipped_byte_of_a_generator_stops_the_commands_that_use_it(
    training: Artefact, tmp_path: Path, command: str, output: str, damaged: str
) -> None:
    flip_a_byte(training.path(damaged))
    with pytest.raises(ArtefactFileError, match=f"{damaged}: damaged: the size is right, but the content differs"):
        run(command, "mnist_mlp", "--optimizer", "adam", "-o", tmp_path / "out" / output)
    assert not (tmp_path / "out").exists()


def test_one_flipped_byte_of_stored_samples_stops_the_commands_that_copy_or_score_them(
    training: Artefact, paths: Paths, tmp_path: Path
) -> None:
    stored = paths.samples("mnist_mlp", "adam") / "samples.arrow"
    np.save(tmp_path / "real.npy", np.zeros((20, 28, 28), np.uint8))
    flip_a_byte(stored)
    with pytest.raises(ArtefactFileError, match=r"samples\.arrow: damaged"):
        run("export", "mnist_mlp", "--optimizer", "adam", "-o", tmp_path / "out" / "digits.npz")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ArtefactFileError, match=r"samples\.arrow: damaged"):
        run("score", tmp_path / "real.npy", stored, "--extractor", "mnist")


@pytest.mark.parametrize(
    "damaged",
    [
        "metrics/mnist/classifier/classifier.safetensors",
        "metrics/mnist/classifier/settings.json",
        "metrics/mnist/reference/features.safetensors",
    ],
)
def test_one_flipped_byte_of_an_artefact_used_for_scoring_stops_the_scores(
    classifier: None, paths: Paths, tmp_path: Path, damaged: str
) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8))
    flip_a_byte(paths.root / damaged)
    with pytest.raises(ArtefactFileError, match=f"{Path(damaged).name}: damaged.*; materialize mnist/"):
        run("score", "mnist", tmp_path / "images.npy")
