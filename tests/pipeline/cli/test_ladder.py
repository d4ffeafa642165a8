import json
from pathlib import Path

import pytest

from assets import cli
from pipeline.metrics.extractors.classifier import train_classifier
from pipeline.metrics.identity import ClassifierSettings
from pipeline.metrics.reference import make_reference
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build


@pytest.fixture
def ready(named_small_mnist: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 100)
    acquire(DATASETS["mnist"], paths)
    build(DATASETS["mnist"], paths)
    train_classifier("mnist", paths, settings=ClassifierSettings(most_epochs=2))
    make_reference("mnist", paths)
    return paths


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", "ladder", *arguments])
    return cli.main()


def test_it_prints_the_verdicts_the_distances_and_the_paths_of_the_files(
    ready: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "mnist", "--images", "40") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mnist: 40 held-out images corrupted, against as many others; extractor: classifier ")
    heading = lines[2].split()
    assert heading[0] == "noise"
    assert heading[-3:] == ["mode_drop", "duplication", "copies"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[3 : lines.index("", 3)]}
    assert rows["memorisation_distance"][-1] == "sees"
    assert all(len(row) == len(heading) for row in rows.values())
    assert "inception_score_splits_std" not in rows  # neither end of it is better
    distances = next(index for index, line in enumerate(lines) if line.startswith("FID "))
    assert [line.split()[0] for line in lines[distances + 1 : distances + 9]] == heading
    assert lines[-1] == f"ladder.png: {ready.root / 'metrics' / 'mnist' / 'ladder' / 'ladder.png'}"
    assert all(len(line) <= 120 for line in lines[:-2])

    assert called(monkeypatch, "mnist", "--images", "40", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdicts"]["copies"]["authenticity"] == rows["authenticity"][-1]
    assert len(answer["fid"]["noise"]) == 4
    assert Path(answer["files"]["ladder.parquet"]).is_file()


def test_a_missing_input_is_one_sentence(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "mnist") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no tensors there; materialize mnist/tensors first" in printed.err
    assert printed.err.count("\n") == 1
