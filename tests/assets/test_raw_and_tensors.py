from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.raw import build_raw
from assets.tensors import build_tensors
from pipeline.raw.catalogue import DATASETS, load_datasets
from pipeline.raw.dataset import Dataset
from pipeline.storage.pictures import inline_strip
from tests.celeba_archive import NAMES, encode, write_small_celeba, write_zip

CELEBA, CELEBA_64 = DATASETS["celeba"], DATASETS["celeba_64"]
Metadata = dict[str, Any]


def materialize(*datasets: Dataset) -> tuple[dg.ExecuteInProcessResult, dict[str, Metadata]]:
    """Raw files of the first data set and tensors of all; the metadata by asset."""
    result = dg.materialize([build_raw(datasets[0]), *(build_tensors(dataset) for dataset in datasets)])
    metadata = {}
    for event in result.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        records = {name: value.records for name, value in made.metadata.items() if hasattr(value, "records")}
        metadata[made.asset_key.to_user_string()] = {
            name: value.value for name, value in made.metadata.items()
        } | records
    return result, metadata


def test_two_preparations_hang_on_one_raw_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_CELEBA", str(write_small_celeba(tmp_path / "celeba")))
    result, metadata = materialize(CELEBA, CELEBA_64)
    assert set(metadata) == {"celeba/raw", "celeba/tensors", "celeba_64/tensors"}
    failed = {evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed}
    assert failed == {"complete"}, "60 photographs are a part of the published ones"
    raw = metadata["celeba/raw"]
    assert raw["labels"] == metadata["celeba/tensors"]["labels"] == "attributes"
    assert raw["preview"].startswith("![the first ")
    assert [row.data["class"] for row in raw["class_histogram"]] == NAMES
    assert raw["unused_images"] == {"validation": 12}
    assert "unreadable" not in raw
    assert metadata["celeba_64/tensors"]["preparation"]["crop"] == 160
    assert metadata["celeba_64/tensors"]["image_shape"] == [3, 64, 64]


def test_images_left_out_are_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{index}.png": encode(np.full((20 + index, 30), 25 * index, np.uint8), "PNG") for index in range(10)}
    write_zip(tmp_path / "p.zip", files | {"5.png": b"damaged"})
    (tmp_path / "d.toml").write_text('[own]\npath = "p.zip"\nsize = 8')
    _, metadata = materialize(load_datasets((tmp_path / "d.toml",))["own"])
    assert (metadata["own/raw"]["unreadable"], metadata["own/raw"]["unreadable_names"]) == (1, "5.png")
    assert (metadata["own/raw"]["labels"], "class_histogram" in metadata["own/raw"]) == ("none", False)
    assert (
        metadata["own/raw"]["images"]
        == metadata["own/tensors"]["train_images"] + metadata["own/tensors"]["test_images"]
        == 9
    )


def test_a_failed_raw_asset_registers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.zip").write_bytes(b"<html>quota</html>")
    monkeypatch.setenv("GANFORGE_CELEBA", str(tmp_path / "p.zip"))
    result = dg.materialize([build_raw(CELEBA)], raise_on_error=False)
    assert not result.success
    assert result.get_asset_materialization_events() == []


def test_a_strip_shows_pictures_of_several_sizes_and_kinds() -> None:
    pictures = [np.full((1, 30, 40), 200, np.uint8), np.full((3, 218, 178), 90, np.uint8)]
    assert inline_strip(pictures).startswith("![the first 2 images]")
    assert inline_strip(pictures[1:]).startswith("![the first 1 images]")
