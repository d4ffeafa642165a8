"""Launch: data-parallel training in several processes, which `torchrun` starts and this module watches and stops.

In: resolved settings and the number of processes on this machine. The processes run `python -m pipeline.cli train` on
the same settings. The first prints its log and, as JSON, its observations. All processes end with this function.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths, child_environment
from pipeline.training.earlier import DEFAULT_COUNT
from pipeline.training.engine.ranks import Ranks
from pipeline.training.kept_members import count_members, find_members
from pipeline.training.partition import Partition
from pipeline.training.records.history import Measured
from pipeline.training.records.progress import Observation, PartitionObservation
from pipeline.training.records.snapshots import Pictures
from pipeline.training.records.system import SystemUse
from pipeline.training.trainable import expect_trainable

log = logging.getLogger(__name__)

STOP_SECONDS = 45.0  # torchrun itself gives its processes 30 to write their checkpoint
LAST_LINES = 20


def train_in_processes(
    settings: Sequence[TrainingSettings],
    tensors: Artefact,
    paths: Paths,
    processes: int,
    *,
    force: bool = False,
    earlier_trainings: int = DEFAULT_COUNT,
) -> Generator[Observation, None, dict[str, Artefact]]:
    """Train like `train.train_watched`, in several processes that share every batch."""
    partitions = [Partition(partition_settings, tensors, paths) for partition_settings in settings]
    intact = {} if force else {partition.key: _with_enough_members(partition) for partition in partitions}
    waiting = [partition for partition in partitions if intact.get(partition.key) is None]
    for partition in waiting:
        expect_trainable(partition, Ranks(0, processes))
    if waiting:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "settings.json"
            file.write_text(json.dumps([partition.settings.to_json() for partition in waiting]), encoding="utf-8")
            command = _command(file, processes, earlier_trainings, force=force)
            yield from _watched(command, _environment(paths, processes), Path(folder))
    return {partition.key: intact.get(partition.key) or _published(partition) for partition in partitions}


def _with_enough_members(partition: Partition) -> Artefact | None:
    """Return the partition's intact artefact if it has all members that its settings name, else None."""
    stored = find_members(partition.folder, partition.identity)
    return stored if stored is not None and count_members(stored) >= partition.settings.members else None


def _environment(paths: Paths, processes: int) -> dict[str, str]:
    """Return the processes' environment: data folder, their share of the cores, and Gloo on the loopback interface."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    defaults = {"OMP_NUM_THREADS": str(threads), "GLOO_SOCKET_IFNAME": "lo"}
    return {**defaults, **child_environment(), "GANFORGE_DATA": str(paths.root.resolve())}


def _command(settings: Path, processes: int, earlier_trainings: int, *, force: bool) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    options = ["--settings", str(settings), "--earlier-trainings", str(earlier_trainings)]
    return [*torchrun, "-m", "pipeline.cli", "train", *options, *(["--force"] if force else [])]


def _watched(command: list[str], environment: Mapping[str, str], folder: Path) -> Generator[Observation, None, None]:
    """Run a command in a folder to its end. Yield observations from lines of JSON; other lines go to the log."""
    process = subprocess.Popen(
        command,
        cwd=folder,  # an empty folder: Python must not import another package of this name
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    output: list[str] = []
    try:
        for line in process.stdout or ():
            if line.startswith("{"):
                yield observation_from_json(json.loads(line))
            elif line.strip():
                log.info("%s", line.rstrip())
                output.append(line)
        if process.wait() != 0:
            raise OSError(f"training by several processes failed: {_reason(output)}")
    finally:
        _stop(process)


def _reason(output: list[str]) -> str:
    """Return the sentence with which a process ended, or the last lines of the output if there is none."""
    sentences = [line.partition("ganforge: ")[2].strip() for line in output if "ganforge: " in line]
    return sentences[0] if sentences else "\n" + "".join(output[-LAST_LINES:])


def _stop(process: subprocess.Popen[str]) -> None:
    """Send SIGTERM, upon which the processes save a checkpoint; after a while kill the whole group."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _published(partition: Partition) -> Artefact:
    artefact = _with_enough_members(partition)
    if artefact is None:
        raise FileNotFoundError(f"{partition.folder}: the processes ended without trained networks; see the log above")
    return artefact


def observation_to_json(observation: Observation) -> str:
    """Return an observation as one line of JSON."""
    partitions = {
        key: {
            **vars(partition),
            "measured": partition.measured and vars(partition.measured),
            "pictures": None if partition.pictures is None else _encoded(partition.pictures),
        }
        for key, partition in observation.partitions.items()
    }
    return json.dumps({**vars(observation), "partitions": partitions, "system": asdict(observation.system)})


def observation_from_json(values: dict[str, Any]) -> Observation:
    """Return the observation that `observation_to_json` wrote."""
    partitions = {
        key: PartitionObservation(
            **{
                **fields,
                "measured": fields["measured"] and Measured(**fields["measured"]),
                "pictures": fields["pictures"] and _decoded(fields["pictures"]),
            }
        )
        for key, fields in values["partitions"].items()
    }
    return Observation(**{**values, "partitions": partitions, "system": SystemUse(**values["system"])})


def _encoded(pictures: Pictures) -> dict[str, Any]:
    return {"shape": list(pictures.shape), "bytes": base64.b64encode(pictures.tobytes()).decode()}


def _decoded(values: dict[str, Any]) -> Pictures:
    flat = np.frombuffer(base64.b64decode(values["bytes"]), np.uint8)
    pictures: Pictures = flat.reshape(values["shape"])
    return pictures
