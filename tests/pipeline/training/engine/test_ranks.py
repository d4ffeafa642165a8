"""Data-parallel training on two CPU processes, started by `torchrun`, beside one process."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import PROJECT, Paths
from pipeline.training.engine.random_streams import MemberAddress, NoiseStream
from pipeline.training.engine.ranks import Ranks
from pipeline.training.launch import _environment, _watched, train_in_processes
from pipeline.training.partition import Partition
from pipeline.training.records.progress import Observation
from pipeline.training.records.scored_images import evaluation_files
from pipeline.training.train import train
from tests.pipeline.training.conftest import settings
from tests.pipeline.training.test_resume import elsewhere

TRAINING = "\0".join(("-m", "pipeline.cli", "train", ""))  # a part of a process's command line


def wanted() -> list[TrainingSettings]:
    """A dense sweep whose noise, flips and penalty draw random numbers of every kind."""
    resolved = [settings(key, steps=12) for key in ("adam", "sgd")]
    objectives = [
        replace(configuration.objective, instance_noise=0.1, label_flip=0.1, gradient_penalty=1.0)
        for configuration in resolved
    ]
    return [
        replace(configuration, objective=objective)
        for configuration, objective in zip(resolved, objectives, strict=True)
    ]


def still(settings: TrainingSettings) -> TrainingSettings:
    """One step at rates so small that the weights stay where they began."""
    generator, discriminator = (
        replace(optimizer, learning_rate=1e-30) for optimizer in (settings.generator, settings.discriminator)
    )
    return replace(settings, steps=1, generator=generator, discriminator=discriminator)


def convolutional() -> list[TrainingSettings]:
    """Batch statistics over all processes. With SGD: Adam's first steps are signs, which rounding can turn."""
    dcgan = replace(settings("sgd", steps=3, members=1), network="dcgan", optimizer="sgd_convolutional")
    own_latents = replace(dcgan.objective, generator_batch_size=32, generated_in="evaluation")
    return [replace(dcgan, objective=own_latents)]


def test_two_processes_train_the_same_weights_as_one(tensors: Artefact, paths: Paths, tmp_path: Path) -> None:
    """Train a dense sweep and a convolutional one. Starting the processes takes seconds, so both run in one start."""
    partitions = [*wanted(), *convolutional()]
    steps = {partition.optimizer: partition.steps for partition in partitions}
    seen: list[Observation] = []
    watched = train_in_processes(partitions, tensors, paths, 2)
    while True:
        try:
            seen.append(next(watched))
        except StopIteration as end:
            together = end.value
            break
    for key, last_step in steps.items():
        observed = [observation for observation in seen if key in observation.partitions]
        assert len(observed) >= 3
        assert observed[0].partitions[key].pictures is not None
        assert observed[-1].step == last_step
    with elsewhere(tensors, tmp_path / "alone") as other:
        alone = train(partitions, tensors, other)
    with elsewhere(tensors, tmp_path / "untrained") as other:
        resting = [still(partition) for partition in partitions]
        untrained = train(resting, tensors, other)
    for key, artefact in together.items():
        assert artefact.details["processes"] == 2
        assert list(evaluation_files(artefact)) == list(evaluation_files(alone[key])) == [steps[key]]
        for name in ("generator.safetensors", "discriminator.safetensors"):
            one, two = (flat_weights(artefact_of_way.path(name)) for artefact_of_way in (alone[key], artefact))
            initial = flat_weights(untrained[key].path(name))
            apart, moved = np.linalg.norm(two - one), np.linalg.norm(one - initial)
            assert apart < 1e-3 * moved, f"{key} {name}: {apart:.1e} apart after moving {moved:.1e}"


def flat_weights(path: Path) -> np.ndarray:
    """All of a network's numbers in one row."""
    return np.concatenate([value.ravel() for _, value in sorted(load_file(path).items())])


def test_unchanged_partitions_start_no_process(tensors: Artefact, paths: Paths) -> None:
    train([settings("adam")], tensors, paths)
    watched = train_in_processes([settings("adam")], tensors, paths, 2)
    with pytest.raises(StopIteration) as end:
        next(watched)
    assert end.value.value["adam"].cached


def test_settings_that_several_processes_cannot_train_are_one_sentence_before_any_starts(
    tensors: Artefact, paths: Paths
) -> None:
    message = "mnist_mlp adam: found batch size 64 for 3 processes, expected a multiple of 3"
    with pytest.raises(ValueError, match=message):
        next(train_in_processes([settings("adam")], tensors, paths, 3))
    (penalised,) = convolutional()
    penalised = replace(penalised, objective=replace(penalised.objective, r1=1.0))
    with pytest.raises(ValueError, match="gradient penalty or R1 on a discriminator with batch normalisation"):
        next(train_in_processes([penalised], tensors, paths, 2))


def test_a_process_that_fails_gives_its_own_sentence(tensors: Artefact, paths: Paths) -> None:
    with (
        Partition(settings("adam"), tensors, paths).checkpoints.locked(),
        pytest.raises(
            OSError, match=r"several processes failed: .*another process is training the same settings there"
        ),
    ):
        list(train_in_processes([settings("adam")], tensors, paths, 2))


def test_every_rank_has_its_own_rows_of_each_batch_in_latents_drawn_at_once() -> None:
    members = [MemberAddress(0, 0), MemberAddress(0, 1)]

    def drawn(ranks: Ranks, images: int) -> torch.Tensor:
        noise = NoiseStream(members, torch.device("cpu"), ranks)
        noise.begin(3)
        noise.batches = 2
        return noise.uniform((2 * images, 5))

    together, parts = drawn(Ranks(), 8), [drawn(Ranks(rank, 2), 4) for rank in range(2)]
    assert torch.equal(
        together.unflatten(1, (2, 2, 4)), torch.stack([part.unflatten(1, (2, 4)) for part in parts], dim=2)
    )


def processes_of(marker: str) -> list[int]:
    """The processes whose command line holds a text."""
    reports = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_bytes().decode(errors="replace"):
                reports.append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    return reports


def test_when_the_watcher_leaves_all_processes_end_and_a_checkpoint_is_there(tensors: Artefact, paths: Paths) -> None:
    long = [settings("adam", steps=100_000)]
    partition = Partition(long[0], tensors, paths)
    program = (  # a suite that a shell started in the background ignores SIGINT, and so would this process
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import sys, json; from pathlib import Path; from pipeline.settings import TrainingSettings; "
        "from pipeline.storage.paths import Paths; from pipeline.training.launch import train_in_processes; "
        "from pipeline.tensors.load import require_tensors; paths = Paths(Path(sys.argv[2])); "
        "each = TrainingSettings.from_json(json.loads(sys.argv[1])); "
        "list(train_in_processes([each], require_tensors(paths, 'mnist'), paths, 2))"
    )
    command = [sys.executable, "-c", program, json.dumps(long[0].to_json()), str(paths.root)]
    watcher = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not partition.checkpoints.folder.joinpath("events/member_0").exists():  # the first interval is over
        assert time.monotonic() < deadline and watcher.poll() is None, "training did not begin"
        time.sleep(0.2)
    workers = processes_of(TRAINING)
    assert len(workers) >= 3  # torchrun and its two
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=120)
    assert watcher.returncode != 0
    assert not set(workers) & set(processes_of(TRAINING))
    assert partition.checkpoints.steps(at_most=100_000), said.decode()


def test_the_processes_import_this_package_and_not_the_working_folders(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work, folder = tmp_path / "work", tmp_path / "own"
    for made in (work, folder):
        made.mkdir()
    (work / "pipeline.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(work)
    command = [sys.executable, "-m", "inspect", "--details", "pipeline.cli.__main__"]
    with caplog.at_level("INFO"):
        assert list(_watched(command, _environment(paths, 2), folder)) == []
    assert f"Origin: {PROJECT}/pipeline/cli/__main__.py" in caplog.messages
