import json
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from pipeline.networks import network_for
from pipeline.optimizer_kinds import SGD
from pipeline.settings import TrainingSettings, load_optimizers
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.training import sweep
from pipeline.training.divergence import divergence
from pipeline.training.records.history import Measured, last_interval, read_history
from pipeline.training.records.progress import Observation
from pipeline.training.train import train, train_watched
from pipeline.training.trained import load_generator, read_settings, require_training
from tests.pipeline.training.conftest import settings

DIGITS = (1, 28, 28)


def test_a_partitions_artefact_holds_weights_settings_history_and_snapshots(tensors: Artefact, paths: Paths) -> None:
    wanted = replace(settings("adam"), history_interval_steps=2, snapshot_interval_steps=3)
    artefact = train([wanted], tensors, paths)["adam"]
    assert {name for name in artefact.files if not name.startswith("events/")} == {
        "generator.safetensors",
        "discriminator.safetensors",
        "settings.json",
        "history.parquet",
        "movie.gif",
        *(f"snapshots/step_{step:06d}.png" for step in (0, 3, 4)),
        *(f"evaluations/step_{step:08d}.arrow" for step in (3, 4)),
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


@pytest.mark.parametrize("changed", [{"steps": 5}, {"members": 3}, {"seed": 1}])
def test_a_changed_budget_or_seed_trains_again(tensors: Artefact, paths: Paths, changed: dict[str, int]) -> None:
    train([settings("adam")], tensors, paths)
    assert not train([settings("adam", **changed)], tensors, paths)["adam"].cached


def test_a_partition_in_a_sweep_equals_the_partition_trained_alone(tensors: Artefact, paths: Paths) -> None:
    together = train([settings("rmsprop"), settings("adam")], tensors, paths)
    assert together["adam"].details["trained_together"] == 4
    in_sweep = load_file(together["adam"].path("generator.safetensors"))
    alone = train([settings("adam")], tensors, paths, force=True)["adam"]
    assert alone.details["trained_together"] == 2
    for name, value in load_file(alone.path("generator.safetensors")).items():
        assert np.linalg.norm(value - in_sweep[name]) <= 1e-5 * np.linalg.norm(value)


def test_different_batch_sizes_train_in_groups_and_the_log_names_the_reason(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    small = settings(replace(load_optimizers()["sgd"], batch_size=16))
    trained = train([settings("adam"), small], tensors, paths)
    assert trained["sgd"].details["trained_together"] == 2
    assert "training in 2 groups, one after another (adam: batch_size 64; sgd: batch_size 16)" in caplog.text


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
    rate = SGD(1e30)
    wild = replace(load_optimizers()["sgd"], key="wild", generator=rate, discriminator=rate)
    return replace(settings(wild, steps=6, seed=seed), history_interval_steps=2)


def test_a_diverged_partition_is_named_and_frozen_and_the_one_beside_it_is_sound(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    beside = replace(settings("adam", steps=6), history_interval_steps=2)
    trained = train([diverging(), beside], tensors, paths)
    wild = trained["wild"]
    assert wild.details["diverged_members"] == [0, 1]
    assert [(divergence["step"], divergence["weights_step"]) for divergence in wild.details["divergences"]] == [
        (2, 0),
        (2, 0),
    ]
    assert trained["adam"].details["diverged_members"] == []
    message = "wild: member 1 diverged at step 2: its weights or losses are not finite: lower its rates"
    assert f"{message}; its weights of step 0 are kept" in caplog.text
    assert math.isnan(last_interval(wild.path("history.parquet"))["generator_loss"])


def test_a_frozen_member_keeps_its_last_sound_weights_and_has_no_rows_afterwards(
    tensors: Artefact, paths: Paths
) -> None:
    wild = train([diverging()], tensors, paths)["wild"]
    table = read_history(wild.path("history.parquet"))
    assert table.select(["step", "member", "diverged"]).to_pylist() == [
        {"step": 2, "member": member, "diverged": True} for member in (0, 1)
    ]
    from pipeline.training.engine.ensemble import Ensemble
    from pipeline.training.engine.member import Member
    from pipeline.training.engine.training_images import TrainingImages

    images = TrainingImages(torch.zeros(64, 1, 28, 28, dtype=torch.uint8), torch.device("cpu"))
    at_start = Ensemble([Member(diverging(), 1)], network_for("mlp", DIGITS), images)
    kept = load_file(wild.path("generator.safetensors"))["hidden.weight"][1]
    assert np.array_equal(kept, at_start.network_state(0)["generator.hidden.weight"].numpy()[0])


def test_one_diverging_member_does_not_end_its_partition(
    tensors: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(settings("adam", steps=8), history_interval_steps=2)
    weights = load_file(train([wanted], tensors, paths)["adam"].path("generator.safetensors"))["hidden.weight"]
    judge = divergence

    def judged(measured: Measured, own: TrainingSettings, *, weights_are_finite: bool) -> str | None:
        first = judged.calls == 2  # type: ignore[attr-defined]
        judged.calls += 1  # type: ignore[attr-defined]
        return "said so by the test" if first else judge(measured, own, weights_are_finite=weights_are_finite)

    judged.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(sweep, "divergence", judged)
    broken = train([wanted], tensors, paths, force=True)["adam"]
    assert broken.details["divergences"] == [
        {"member": 0, "step": 4, "weights_step": 2, "reason": "said so by the test"}
    ]
    kept = load_file(broken.path("generator.safetensors"))["hidden.weight"]
    assert np.array_equal(kept[1], weights[1])
    assert not np.array_equal(kept[0], weights[0])
    assert read_history(broken.path("history.parquet"))["member"].to_pylist() == [0, 1, 0, 1, 1, 1]


def test_a_watched_training_is_observed_at_every_quarter_with_pictures_and_speed(
    tensors: Artefact, paths: Paths
) -> None:
    seen: list[Observation] = list(train_watched([settings("adam", steps=8), settings("sgd", steps=8)], tensors, paths))
    assert [record.step for record in seen] == [2, 4, 6, 8]
    for observation in seen:
        assert set(observation.partitions) == {"adam", "sgd"}
        assert observation.images_per_second > 0
        partition = observation.partitions["adam"]
        assert partition.measured is not None and partition.pictures is not None
        assert 0 < partition.measured.discriminator_loss_real < 5
        assert partition.measured.generator_gradient_norm > 0
        assert partition.pictures.shape == (16, 1, 28, 28)
    assert seen[-1].seconds_left == 0


def test_the_movie_shows_every_snapshot(tensors: Artefact, paths: Paths) -> None:
    artefact = train([replace(settings("adam", steps=6), snapshot_interval_steps=2)], tensors, paths)["adam"]
    with Image.open(artefact.path("movie.gif")) as movie:
        assert (movie.n_frames, movie.size) == (4, (16 * 28 + 15 * 2, 2 * 28 + 2))  # type: ignore[attr-defined]


def test_an_average_is_published_beside_the_weights_where_requested(tensors: Artefact, paths: Paths) -> None:
    artefact = train([replace(settings("adam"), ema_decay=0.5)], tensors, paths)["adam"]
    raw, average = (load_file(artefact.path(f"generator{suffix}.safetensors")) for suffix in ("", "_average"))
    assert {name: value.shape for name, value in raw.items()} == {name: value.shape for name, value in average.items()}
    assert not np.array_equal(raw["output.weight"], average["output.weight"])


def test_a_convolutional_sweep_trains_and_keeps_its_batch_statistics(tensors: Artefact, paths: Paths) -> None:
    wanted = [replace(settings(key, steps=3, members=1), network="dcgan") for key in ("adam", "rmsprop")]
    trained = train(wanted, tensors, paths)
    weights = load_file(trained["rmsprop"].path("generator.safetensors"))
    running = [value for name, value in weights.items() if name.endswith("running_mean")]
    assert running and all(np.abs(value).max() > 0 for value in running)
    generator = load_generator(trained["rmsprop"], torch.device("cpu"))
    assert generator(torch.zeros(1, 3, 100)).shape == (1, 3, 1, 28, 28)


def test_images_that_a_network_cannot_draw_are_refused_by_partition(tensors: Artefact, paths: Paths) -> None:
    wide = replace(tensors, details={**tensors.details, "image_shape": [1, 28, 30]})
    with pytest.raises(ValueError, match="mnist_mlp adam: network dcgan: found images of 28 x 30 pixels"):
        train([replace(settings("adam"), network="dcgan")], wide, paths)


def test_too_few_held_out_images_are_an_error(tensors: Artefact, paths: Paths) -> None:
    with pytest.raises(ValueError, match="found 120 held-out images, expected at least evaluation_images=500"):
        train([replace(settings("adam"), evaluation_images=500)], tensors, paths)


def test_a_generator_is_read_back_with_its_members(tensors: Artefact, paths: Paths) -> None:
    train([settings("adam")], tensors, paths)
    generator = load_generator(require_training(paths, "mnist_mlp", "adam"), torch.device("cpu"))
    assert generator(torch.zeros(2, 3, 100)).shape == (2, 3, 1, 28, 28)
    with pytest.raises(FileNotFoundError, match="materialize mnist_mlp/generator, partition sgd, first"):
        require_training(paths, "mnist_mlp", "sgd")
