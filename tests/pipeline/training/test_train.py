import json
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from pipeline.settings import OptimizerSettings, TrainingSettings, load_optimizers
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.training.history import last_interval, read_history
from pipeline.training.train import train
from pipeline.training.trained import load_generator, read_settings, require_training
from tests.pipeline.training.conftest import settings


def test_a_partitions_artefact_holds_weights_settings_history_and_snapshots(tensors: Artefact, paths: Paths) -> None:
    wanted = replace(settings("adam"), history_interval_steps=2, snapshot_interval_steps=3)
    artefact = train([wanted], tensors, paths)["adam"]
    assert set(artefact.files) == {
        "generator.safetensors",
        "discriminator.safetensors",
        "settings.json",
        "history.parquet",
        *(f"snapshots/step_{step:06d}.png" for step in (0, 3, 4)),
    }
    weights = load_file(artefact.path("generator.safetensors"))
    assert {name: value.shape for name, value in weights.items()} == {
        "hidden.weight": (2, 100, 128),
        "hidden.bias": (2, 1, 128),
        "output.weight": (2, 128, 784),
        "output.bias": (2, 1, 784),
    }
    assert read_settings(artefact) == wanted
    assert json.loads(artefact.path("settings.json").read_text())["generator"]["kind"] == "adam"
    with Image.open(artefact.path("snapshots/step_000000.png")) as picture:
        assert picture.size == (2 * (16 * 28 + 15 * 2), 2 * (2 * 28 + 2))


def test_history_has_one_row_a_member_and_interval_with_its_losses(tensors: Artefact, paths: Paths) -> None:
    artefact = train([replace(settings("adam", steps=5), history_interval_steps=2)], tensors, paths)["adam"]
    table = read_history(artefact.path("history.parquet"))
    assert table["step"].to_pylist() == [2, 2, 4, 4, 5, 5]
    assert table["member"].to_pylist() == [0, 1] * 3
    assert table["images_seen"].to_pylist() == [128, 128, 256, 256, 320, 320]
    for name in ("discriminator_loss_real", "discriminator_loss_generated", "generator_loss"):
        assert all(0 < value < 20 for value in table[name].to_pylist())
    for name in ("discriminator_accuracy", "adversarial_accuracy"):
        assert all(0 <= value <= 1 for value in table[name].to_pylist())
    assert last_interval(artefact.path("history.parquet"))["generator_loss"] == pytest.approx(
        np.mean(table["generator_loss"].to_pylist()[-2:])
    )


def test_unchanged_partitions_are_not_trained_again_and_the_others_are(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    train([settings("adam")], tensors, paths)
    caplog.set_level(logging.INFO, "pipeline")
    again = train([settings("adam"), settings("sgd")], tensors, paths)
    assert {key: artefact.cached for key, artefact in again.items()} == {"adam": True, "sgd": False}
    assert "adam: unchanged, not trained again" in caplog.text
    assert not train([settings("adam")], tensors, paths, force=True)["adam"].cached


@pytest.mark.parametrize("changed", [{"steps": 5}, {"members": 1}, {"seed": 1}])
def test_a_changed_budget_or_seed_trains_again(tensors: Artefact, paths: Paths, changed: dict[str, int]) -> None:
    train([settings("adam")], tensors, paths)
    assert not train([settings("adam", **changed)], tensors, paths)["adam"].cached  # type: ignore[arg-type]


def test_a_sweep_gives_each_partition_what_it_gets_alone(tensors: Artefact, paths: Paths) -> None:
    together = train([settings("rmsprop"), settings("adam")], tensors, paths)
    assert together["adam"].details["trained_together"] == 4
    in_sweep = load_file(together["adam"].path("generator.safetensors"))
    alone = train([settings("adam")], tensors, paths, force=True)["adam"]
    assert alone.details["trained_together"] == 2
    for name, value in load_file(alone.path("generator.safetensors")).items():
        assert np.linalg.norm(value - in_sweep[name]) <= 1e-5 * np.linalg.norm(value)


def test_unlike_batch_sizes_train_in_groups_and_the_log_says_so(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    small = settings(replace(load_optimizers()["sgd"], batch_size=16))
    trained = train([settings("adam"), small], tensors, paths)
    assert trained["sgd"].details["trained_together"] == 2
    assert "training in 2 groups, one after another (sgd: batch_size 16; adam: batch_size 64)" in caplog.text


def test_progress_names_step_losses_speed_and_time_left(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    train([settings("adam")], tensors, paths)
    assert "mnist_mlp: training adam: 2 members as one model, 4 steps of batch 64, on CPU" in caplog.text
    line = next(record.getMessage() for record in caplog.records if "4/4" in record.getMessage())
    assert line.startswith("mnist_mlp 4/4 | adam D 0.")
    assert line.endswith("| 0:00 left")
    assert " images/s | " in line


def diverging(seed: int = 0) -> TrainingSettings:
    rate = OptimizerSettings("sgd", 1e30)
    return settings(
        replace(load_optimizers()["sgd"], key="wild", generator=rate, discriminator=rate), steps=6, seed=seed
    )


def test_a_diverged_partition_is_named_and_the_one_beside_it_is_sound(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    trained = train([diverging(), settings("adam", steps=6)], tensors, paths)
    assert trained["wild"].details["diverged_members"] == [0, 1]
    assert trained["adam"].details["diverged_members"] == []
    assert "wild: members [0, 1] diverged: lower its rates" in caplog.text
    assert math.isnan(last_interval(trained["wild"].path("history.parquet"))["generator_loss"])


def test_a_data_set_of_another_shape_is_refused_with_both_shapes(tensors: Artefact, paths: Paths) -> None:
    from pipeline.storage.images import write_images

    for name in ("train", "test"):
        write_images(tensors.path(f"{name}.arrow"), np.zeros((64, 3, 8, 8), np.uint8), {}, {})
    with pytest.raises(ValueError, match=r"mlp draws images of \(1, 28, 28\), but the data set's are \(3, 8, 8\)"):
        train([settings("adam")], tensors, paths)


def test_too_few_held_out_images_are_an_error(tensors: Artefact, paths: Paths) -> None:
    with pytest.raises(ValueError, match="found 120 held-out images, expected at least evaluation_images=500"):
        train([replace(settings("adam"), evaluation_images=500)], tensors, paths)


def test_a_generator_is_read_back_with_its_members(tensors: Artefact, paths: Paths) -> None:
    train([settings("adam")], tensors, paths)
    generator = load_generator(require_training(paths, "mnist_mlp", "adam"), torch.device("cpu"))
    assert generator(torch.zeros(2, 3, 100)).shape == (2, 3, 1, 28, 28)
    with pytest.raises(FileNotFoundError, match="materialize mnist_mlp/generator, partition sgd, first"):
        require_training(paths, "mnist_mlp", "sgd")
