import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from pipeline.champion.versions import ONNX
from pipeline.cli.__main__ import main
from pipeline.metrics.standalone.image_sets import open_images
from pipeline.networks.latents import latents_by_seed
from pipeline.samples.generate import generate
from pipeline.samples.onnx_file import run_onnx
from pipeline.storage.images import ImageFile, read_images
from pipeline.storage.paths import Paths
from tests.pipeline.champion.example_contenders import contender, decide, trained
from tests.pipeline.champion.example_contenders import report as made_up_report
from tests.pipeline.cli.command import run
from tests.pipeline.cli.test_sample import report
from tests.pipeline.samples.example_training import untrained_training


def command(*words: object) -> int:
    return run("export", "mnist_mlp", *words)


@pytest.fixture
def stored(paths: Paths) -> ImageFile:
    """Seventy images of each of members 0 and 2; member 1 diverged."""
    training = untrained_training(paths, "mnist_mlp", members=3, diverged=(1,))
    return read_images(generate(training, 70, paths, seed=4).path("samples.arrow"))


def test_a_generator_is_written_and_the_difference_printed(
    paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    untrained_training(paths, "mnist_mlp", members=2, diverged=(0,), average=True)
    report(paths, "adam", 10)
    assert command("-o", tmp_path / "digits.onnx") == 0
    printed = capsys.readouterr().out
    assert "mnist_mlp adam, member 1; onnxruntime and PyTorch differ by at most " in printed
    assert printed.endswith("e-07 on 64 latents\n")
    for weights in ("average", "raw"):
        command("--weights", weights, "-o", tmp_path / f"{weights}.onnx", "--member", 1)
    latents = latents_by_seed("normal", 100, np.arange(3))
    drawn = {name: run_onnx(tmp_path / f"{name}.onnx", latents) for name in ("digits", "average", "raw")}
    assert np.array_equal(drawn["digits"], drawn["average"])
    assert np.abs(drawn["digits"] - drawn["raw"]).max() > 0.1


def test_a_configuration_scored_with_raw_weights_is_exported_with_them(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = untrained_training(paths, "mnist_mlp", average=True)
    samples = generate(training, 10, paths, weights="raw")
    latents = latents_by_seed("normal", 100, np.arange(3))
    with caplog.at_level("INFO"):
        command("--optimizer", "adam", "-o", tmp_path / "drawn.onnx")
    assert "taking the raw weights" in caplog.text
    made_up_report(paths, training, samples, [1.0, 2.0], weights="average")
    command("--optimizer", "adam", "-o", tmp_path / "reported.onnx")
    for weights in ("raw", "average"):
        command("--optimizer", "adam", "-o", tmp_path / f"{weights}.onnx", "--weights", weights)
    drawn = {name: run_onnx(tmp_path / f"{name}.onnx", latents) for name in ("drawn", "reported", "raw", "average")}
    assert np.array_equal(drawn["drawn"], drawn["raw"])
    assert np.array_equal(drawn["reported"], drawn["average"])
    assert not np.array_equal(drawn["raw"], drawn["average"])


def test_an_array_holds_all_stored_samples_or_the_first_of_a_member(stored: ImageFile, tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    command("--optimizer", "adam", "-o", path)
    with np.load(path) as arrays:
        assert np.array_equal(arrays["images"], np.moveaxis(stored.pixels, 1, 3))
        assert np.array_equal(arrays["member"], stored.columns["member"])
        assert np.array_equal(arrays["latents"], latents_by_seed("normal", 100, stored.columns["latent_seed"]))
    command("--optimizer", "adam", "-n", 3, "--member", 2, "-o", path)
    images = open_images(path)
    assert len(images) == 3
    assert np.array_equal(images.images.read(1), stored.pixels[71, 0])


def test_pictures_show_the_stored_samples(stored: ImageFile, tmp_path: Path) -> None:
    command("--optimizer", "adam", "--member", "all", "-n", 2, "-o", tmp_path / "images")
    names = ["member_0_00000.png", "member_0_00001.png", "member_2_00000.png", "member_2_00001.png"]
    assert sorted(file.name for file in (tmp_path / "images").iterdir()) == names
    command("--optimizer", "adam", "-n", 2, "-o", tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        levels = np.asarray(picture)[::2, ::2]
    assert levels.shape == (58, 58)
    assert np.array_equal(levels[30:, :28], stored.pixels[70, 0])
    command("--optimizer", "adam", "-o", tmp_path / "pages.gif")
    with Image.open(tmp_path / "pages.gif") as picture:
        assert isinstance(picture, GifImageFile)
        assert (picture.n_frames, picture.info["duration"]) == (3, 1000)  # 140 images, 64 a page


def test_the_champions_generator_is_written_even_after_a_later_training(
    paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contender(paths, "sgd", [30.0, 10.0], average=True)
    champion = decide(paths).champion
    assert champion is not None
    trained(paths, "sgd", members=2, seed=4)
    capsys.readouterr()
    command("-o", tmp_path / "digits.onnx")
    assert "mnist_mlp sgd, member 1; onnxruntime and PyTorch differ" in capsys.readouterr().out
    latents = latents_by_seed("normal", 100, np.arange(3))
    promoted, written = (run_onnx(path, latents) for path in (champion.artefact.path(ONNX), tmp_path / "digits.onnx"))
    assert np.array_equal(promoted, written)


def test_stored_samples_without_an_optimizer_are_the_champions_own_or_none(paths: Paths, tmp_path: Path) -> None:
    training = trained(paths, "sgd", members=2)
    samples = generate(training, 5, paths)
    made_up_report(paths, training, samples, [30.0, 10.0])
    decide(paths)
    report(paths, "adam", 1)  # ranked best, undecided
    command("-o", tmp_path / "digits.npz")
    with np.load(tmp_path / "digits.npz") as arrays:
        assert len(arrays["images"]) == 10
    generate(trained(paths, "sgd", members=2, seed=4), 5, paths)
    with pytest.raises(
        ValueError, match=r"samples of sgd are not from champion 1 \(sgd\); generate new ones with `ganf"
    ):
        command("-o", tmp_path / "digits.npz")
    command("-o", tmp_path / "now.npz", "--optimizer", "sgd")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--optimizer adam -o a.tiff", "a.tiff: found the suffix .tiff, expected .onnx, .npz, .png, .gif, or a folder"),
        ("-o a.png", "mnist_mlp: no configuration has a score yet, so none is the best; name one with --optimizer"),
        ("--optimizer sgd -o a.png", "no samples there; materialize mnist_mlp/samples, partition sgd, first"),
        ("--optimizer sgd -o a.onnx", "no trained networks there; materialize mnist_mlp/generator, partition sgd"),
        ("--optimizer adam --member 1 -o a.png", "found no images of member 1, expected one of 0, 2"),
        ("--optimizer adam --member 1 -o a.onnx", "member 1 diverged and generates no images, expected one of 0, 2"),
        ("--optimizer adam --member x -o a.png", "--member: found 'x', expected a whole number such as 0, or all"),
        ("--optimizer adam -n 71 -o a.png", "found 70 images per member, but the command names 71; expected 1 to 70"),
        ("--optimizer adam -n 3 -o a.onnx", "an ONNX file holds a generator and no images, expected no -n"),
        ("--optimizer adam --member all -o a.onnx", "expected one --member and not all"),
        ("--optimizer adam --weights raw -o a.png", "stored samples exist already, expected --weights for .onnx"),
        ("--optimizer adam --weights average -o a.onnx", "no average of the generator's weights there"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    stored: ImageFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    sentence: str,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "argv", ["ganforge", "export", "mnist_mlp", *words.split()])
    code, lines = main(), capsys.readouterr().err.splitlines()
    assert (code, len([line for line in lines if sentence in line])) == (1, 1)
    assert lines[-1].startswith("ganforge: ")
    assert list(Path.cwd().iterdir()) == []


def test_a_set_of_samples_without_images_is_one_sentence(paths: Paths, tmp_path: Path) -> None:
    generate(untrained_training(paths, "mnist_mlp", members=1, diverged=(0,)), 5, paths)
    with pytest.raises(ValueError, match="found no images, because every member diverged"):
        command("--optimizer", "adam", "-o", tmp_path / "grid.png")


def test_arguments_are_read_without_importing_pytorch(tmp_path: Path) -> None:
    import subprocess

    script = "import sys, pipeline.cli.export, pipeline.cli.sample; print(json.dumps('torch' in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", f"import json; {script}"], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) is False
