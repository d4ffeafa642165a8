import json
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from pipeline.cli.__main__ import main
from pipeline.cli.generator_choice import best_optimizer, scored_weights
from pipeline.reports import store
from pipeline.samples.fresh import generate_first
from pipeline.samples.generate import generate
from pipeline.storage.images import read_images
from pipeline.storage.paths import MANIFEST, Paths
from tests.pipeline.champion.example_contenders import contender, decide
from tests.pipeline.cli.command import run
from tests.pipeline.samples.example_training import untrained_training


def command(*words: object) -> int:
    return run("sample", *words)


def report(paths: Paths, optimizer: str, fid: float) -> None:
    row = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "better": "lower", "metric": "fid"}
    protocol = json.dumps({"extractor_sha256": "a", "n_generated": 10})
    rows = [{**row, "protocol": protocol, "member": member, "value": fid + member} for member in range(2)]
    store.append(paths.reports(), rows)


def test_an_array_holds_the_very_images_of_the_stored_samples(paths: Paths, tmp_path: Path) -> None:
    training = untrained_training(paths, "mnist_mlp")
    stored = read_images(generate(training, 6, paths, seed=2).path("samples.arrow"))
    words = ("--optimizer", "adam", "-n", 6, "--seed", 2, "--member", "all", "-o", tmp_path / "digits.npz")
    assert command("mnist_mlp", *words) == 0
    with np.load(tmp_path / "digits.npz") as arrays:
        assert arrays["images"].tobytes() == np.moveaxis(stored.pixels, 1, 3).tobytes()
        assert np.array_equal(arrays["latent_seed"], stored.columns["latent_seed"])
        assert arrays["member"].tolist() == [0] * 6 + [1] * 6


def test_without_an_optimizer_the_best_of_the_newest_comparison_draws(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    untrained_training(paths, "mnist_mlp", "sgd", members=1)
    report(paths, "sgd", 10)
    report(paths, "adam", 20)
    assert best_optimizer("mnist_mlp", paths) == "sgd"
    monkeypatch.chdir(tmp_path)
    assert command("mnist_mlp", "-n", 5, "--columns", 5) == 0
    with Image.open("grid.png") as picture:
        assert picture.size == (2 * (5 * 28 + 4 * 2), 2 * 28)
    assert capsys.readouterr().out == "grid.png: mnist_mlp sgd, member 0, sampling seed 0\n"


def test_the_champion_draws_with_its_own_weights_member_and_kind_of_weights(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    contender(paths, "sgd", [30.0, 10.0, 20.0], average=True)
    champion = decide(paths).champion
    assert champion is not None
    expected = generate_first(champion.artefact, "average", [1], 4, 0)
    contender(paths, "sgd", [900.0, 910.0, 905.0], seed=5)  # trained again: other weights there now
    contender(paths, "adam", [5.0, 80.0, 20.0])  # ranked best by the newest reports, not significantly
    with caplog.at_level("INFO"):
        command("mnist_mlp", "-n", 4, "-o", tmp_path / "digits.npz")
    assert f"mnist_mlp: taking champion 1 (sgd), since {champion.pointer.since}" in caplog.text
    assert "taking member 1, the best by FID, of 0, 1, 2" in caplog.text
    assert capsys.readouterr().out.endswith("mnist_mlp sgd, member 1, sampling seed 0\n")
    with np.load(tmp_path / "digits.npz") as arrays:
        assert np.array_equal(arrays["images"], np.moveaxis(expected.pixels, 1, 3))
    command("mnist_mlp", "-n", 4, "-o", tmp_path / "raw.npz", "--weights", "raw", "--member", 1)
    command("mnist_mlp", "-n", 4, "-o", tmp_path / "now.npz", "--optimizer", "sgd", "--member", 1)
    drawn = [np.load(tmp_path / f"{name}.npz")["images"] for name in ("digits", "raw", "now")]
    assert not any(np.array_equal(*pair) for pair in combinations(drawn, 2))


def test_samples_that_do_not_say_their_weights_are_of_raw_ones(paths: Paths) -> None:
    training = untrained_training(paths, "mnist_mlp", average=True)
    generate(training, 6, paths)
    manifest = paths.samples("mnist_mlp", "adam") / MANIFEST
    values = json.loads(manifest.read_text())
    assert scored_weights(training, paths) == values["details"].pop("weights") == "average"
    manifest.write_text(json.dumps(values))
    assert scored_weights(training, paths) == "raw"


def test_a_damaged_champion_is_one_sentence_and_no_other_draws_in_its_place(paths: Paths, tmp_path: Path) -> None:
    contender(paths, "adam", [30.0, 10.0])
    decide(paths)
    (paths.champion("mnist_mlp") / "0001" / "generator.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="the champion's files are not those that were promoted"):
        command("mnist_mlp", "-o", tmp_path / "digits.npz")


def test_the_chosen_configuration_and_member_are_logged(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    untrained_training(paths, "mnist_mlp", members=3, diverged=(0,))
    report(paths, "adam", 10)
    with caplog.at_level("INFO"):
        command("mnist_mlp", "-n", 1, "-o", tmp_path / "grid.png")
    assert "mnist_mlp: taking adam, the best of the newest comparison" in caplog.text
    assert "taking member 1 of 1, 2" in caplog.text


def test_a_gif_walks_and_a_folder_holds_a_picture_an_image(paths: Paths, tmp_path: Path) -> None:
    untrained_training(paths, "mnist_mlp")
    command("mnist_mlp", "--optimizer", "adam", "-n", 4, "-o", tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as picture:
        assert isinstance(picture, GifImageFile)
        assert (picture.n_frames, picture.size) == (60, (116, 116))
    command("mnist_mlp", "--optimizer", "adam", "-n", 3, "--member", 1, "-o", f"{tmp_path}/images/")
    assert len(list((tmp_path / "images").glob("0000?.png"))) == 3


def test_interpolating_fills_whole_rows(paths: Paths, tmp_path: Path) -> None:
    untrained_training(paths, "mnist_mlp")
    words = ("--interpolate", "-n", 20, "--columns", 8, "-o", tmp_path / "rows.png")
    command("mnist_mlp", "--optimizer", "adam", *words)
    with Image.open(tmp_path / "rows.png") as picture:
        assert picture.size == (2 * (8 * 28 + 7 * 2), 2 * (3 * 28 + 2 * 2))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nope", "recipe 'nope' does not exist; expected one of: mnist_mlp"),
        ("mnist_mlp --optimizer nope", "optimizer configuration 'nope' does not exist; expected one of"),
        ("mnist_mlp", "mnist_mlp: no configuration has a score yet, so none is the best; name one with --optimizer"),
        ("mnist_mlp --optimizer sgd", "no trained networks there; materialize mnist_mlp/generator, partition sgd"),
        ("mnist_mlp --optimizer adam --member 5", "mnist_mlp adam: found member 5, expected one of 0"),
        ("mnist_mlp --optimizer adam --member 1", "mnist_mlp adam: member 1 diverged and generates no images"),
        ("mnist_mlp --optimizer adam --member -1", "--member: found '-1', expected a whole number such as 0, or all"),
        ("mnist_mlp --optimizer adam --weights average", "no average of the generator's weights there"),
        ("mnist_mlp --optimizer adam -o a.onnx", "a.onnx: found the suffix .onnx, expected .png, .npz, .gif, or a fo"),
        ("mnist_mlp --optimizer adam -o a.npz --interpolate", "a.npz: --interpolate makes a .png or a .gif"),
        ("mnist_mlp --optimizer adam -o .", "found ours.txt, which is not one of our pictures"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    paths: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    sentence: str,
) -> None:
    untrained_training(paths, "mnist_mlp", diverged=(1,))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("ours.txt").touch()
    monkeypatch.setattr(sys, "argv", ["ganforge", "sample", *words.split()])
    code, lines = main(), capsys.readouterr().err.splitlines()
    assert (code, len([line for line in lines if sentence in line])) == (1, 1)
    assert lines[-1].startswith("ganforge: ")
    assert [file.name for file in Path.cwd().iterdir()] == ["ours.txt"]


def test_help_shows_an_example_for_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    command("--help")
    text = capsys.readouterr().out
    assert all(name in text for name in ("digits.png", "digits.npz", "walk.gif", "digits/"))
