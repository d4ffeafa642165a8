"""One flipped byte anywhere in a finished chain: every command makes the file again, or stops with one sentence."""

import shutil
from pathlib import Path

import pytest

from assets import cli
from pipeline.storage.artefact import damaged_files, read_artefact
from pipeline.storage.paths import MANIFEST, Paths
from tests.damage import flip_a_byte
from tests.end_to_end.conftest import BUDGET, DEMO, Made

pytestmark = pytest.mark.slow

RMSPROP = "training/mnist_mlp/rmsprop"


@pytest.fixture
def chain(made: Made, paths: Paths, named_small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Copy the demo for one test."""
    shutil.copytree(made.paths.root, paths.root)
    monkeypatch.delenv("DAGSTER_HOME")
    return paths


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    return cli.main()


@pytest.mark.parametrize(
    ("damaged", "command"),
    [
        (f"{RMSPROP}/generator.safetensors", "export mnist_mlp --optimizer rmsprop -o {out}/g.onnx"),
        (f"{RMSPROP}/generator.safetensors", "sample mnist_mlp --optimizer rmsprop -o {out}/g.png"),
        (f"{RMSPROP}/generator.safetensors", "champion promote mnist_mlp --optimizer rmsprop --force"),
        (f"{RMSPROP}/settings.json", "sample mnist_mlp --optimizer rmsprop -o {out}/g.gif"),
        (f"{RMSPROP}/settings.json", "champion promote mnist_mlp --optimizer rmsprop --force"),
        (f"{RMSPROP}/history.parquet", "champion promote mnist_mlp --optimizer rmsprop --force"),
        (f"{RMSPROP}/history.parquet", "reports compare rmsprop rmsprop_adam --recipe mnist_mlp"),
        ("samples/mnist_mlp/rmsprop/grid.png", "champion promote mnist_mlp --optimizer rmsprop --force"),
        ("samples/mnist_mlp/rmsprop/samples.arrow", "export mnist_mlp --optimizer rmsprop -o {out}/g.npz"),
        ("samples/mnist_mlp/rmsprop/samples.arrow", "score mnist {root}/samples/mnist_mlp/rmsprop/samples.arrow"),
        ("metrics/mnist/classifier/classifier.safetensors", "score mnist {root}/raw.npy --extractor mnist"),
        ("metrics/mnist/reference/features.safetensors", "score mnist {root}/raw.npy"),
        ("tensors/mnist/train.arrow", "train mnist_mlp --optimizer sgd --steps 2 --members 1"),
        ("tensors/mnist/test.arrow", "train mnist_mlp --optimizer sgd --steps 2 --members 1"),
    ],
)
def test_a_command_that_reads_it_stops_with_one_sentence_and_leaves_no_output(
    chain: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damaged: str,
    command: str,
) -> None:
    import numpy as np

    np.save(chain.root / "raw.npy", np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8))
    flip_a_byte(chain.root / damaged)
    before = {path for path in chain.root.rglob("*") if not path.name.startswith(".")}
    assert run(monkeypatch, *command.format(out=tmp_path / "out", root=chain.root).split()) == 1
    printed_errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ganforge: ")]
    assert len(printed_errors) == 1
    assert str(chain.root / damaged) in printed_errors[0]
    assert ": damaged" in printed_errors[0]
    assert "; materialize " in printed_errors[0]
    assert not (tmp_path / "out").exists()
    made = {path for path in chain.root.rglob("*") if not path.name.startswith(".")} - before
    assert not [path for path in made if path.is_file()]


def test_a_page_that_is_damaged_is_made_again_and_one_of_damaged_parts_is_not_made(
    chain: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, output = chain.comparison("mnist_mlp") / "comparison.html", tmp_path / "page.html"
    flip_a_byte(page)
    assert run(monkeypatch, "reports", "page", "mnist_mlp", "-o", str(output)) == 0
    assert output.read_bytes() == page.read_bytes()
    output.unlink()
    flip_a_byte(page)
    flip_a_byte(chain.training("mnist_mlp", "rmsprop") / "generator.safetensors")
    capsys.readouterr()
    assert run(monkeypatch, "reports", "page", "mnist_mlp", "-o", str(output)) == 1
    assert "generator.safetensors: damaged" in capsys.readouterr().err
    assert not output.exists()


def test_materialize_makes_everything_again(chain: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [path.parent for path in chain.root.rglob(MANIFEST) if "dagster" not in path.parts]
    artefacts = [artefact for artefact in map(read_artefact, folders) if artefact is not None]
    assert len(artefacts) >= 11
    for artefact in artefacts:
        for name in artefact.files:
            flip_a_byte(artefact.path(name))
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", *DEMO, *BUDGET) == 0
    made = [artefact for artefact in map(read_artefact, folders) if artefact is not None]
    assert {artefact.folder: damaged_files(artefact) for artefact in made if damaged_files(artefact)} == {}
