"""Launch: data-parallel training as processes of their own, started by `torchrun`, watched and stopped from here.

In: resolved settings, and how many processes on this machine. The processes run `python -m pipeline.cli.train` on the
same settings; the first prints its log and, as JSON, its observations. Whatever ends this function ends them all.
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
from pipeline.storage.artefact import Artefact, find_intact, read_artefact
from pipeline.storage.paths import Paths, child_environment
from pipeline.training.engine.ranks import Ranks
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
    settings: Sequence[TrainingSettings], tensors: Artefact, paths: Paths, processes: int, *, force: bool = False
) -> Generator[Observation, None, dict[str, Artefact]]:
    """As `train.train_watched`, by several processes that share every batch."""
    partitions = [Partition(each, tensors, paths) for each in settings]
    found = {} if force else {each.key: find_intact(each.folder, each.fingerprint) for each in partitions}
    waiting = [each for each in partitions if found.get(each.key) is None]
    for each in waiting:
        expect_trainable(each, Ranks(0, processes))
    if waiting:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "settings.json"
            file.write_text(json.dumps([each.settings.to_json() for each in waiting]), encoding="utf-8")
            command = _command(file, processes, force=force)
            yield from _watched(command, _environment(paths, processes), Path(folder))
    return {each.key: found.get(each.key) or _published(each) for each in partitions}


def _environment(paths: Paths, processes: int) -> dict[str, str]:
    """What the processes find set: the data folder, their share of the cores, and Gloo on the loopback interface."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    own = {"OMP_NUM_THREADS": str(threads), "GLOO_SOCKET_IFNAME": "lo"}
    return {**own, **child_environment(), "GANFORGE_DATA": str(paths.root.resolve())}


def _command(settings: Path, processes: int, *, force: bool) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*torchrun, "-m", "pipeline.cli.train", "--settings", str(settings), *(["--force"] if force else [])]


def _watched(command: list[str], environment: Mapping[str, str], folder: Path) -> Generator[Observation, None, None]:
    """Run a command in a folder to its end; lines of JSON are observations, others go to the log."""
    process = subprocess.Popen(
        command,
        cwd=folder,  # holds nothing that Python could import in place of this package
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    try:
        for line in process.stdout or ():
            if line.startswith("{"):
                yield observation_from_json(json.loads(line))
            elif line.strip():
                log.info("%s", line.rstrip())
                said.append(line)
        if process.wait() != 0:
            raise OSError(f"training by several processes failed: {_reason(said)}")
    finally:
        _stop(process)


def _reason(said: list[str]) -> str:
    """The sentence with which a process ended, or else the last of what was said."""
    sentences = [line.partition("ganforge: ")[2].strip() for line in said if "ganforge: " in line]
    return sentences[0] if sentences else "\n" + "".join(said[-LAST_LINES:])


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask for a checkpoint and an end, then make one."""
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
    artefact = read_artefact(partition.folder)
    if artefact is None or artefact.fingerprint != partition.fingerprint:
        raise FileNotFoundError(f"{partition.folder}: the processes ended without trained networks; see the log above")
    return artefact


def observation_to_json(observation: Observation) -> str:
    """One line."""
    partitions = {
        key: {
            **vars(each),
            "measured": each.measured and vars(each.measured),
            "pictures": None if each.pictures is None else _encoded(each.pictures),
        }
        for key, each in observation.partitions.items()
    }
    return json.dumps({**vars(observation), "partitions": partitions, "system": asdict(observation.system)})


def observation_from_json(values: dict[str, Any]) -> Observation:
    """The inverse of `observation_to_json`."""
    partitions = {
        key: PartitionObservation(
            **{
                **each,
                "measured": each["measured"] and Measured(**each["measured"]),
                "pictures": each["pictures"] and _decoded(each["pictures"]),
            }
        )
        for key, each in values["partitions"].items()
    }
    return Observation(**{**values, "partitions": partitions, "system": SystemUse(**values["system"])})


def _encoded(pictures: Pictures) -> dict[str, Any]:
    return {"shape": list(pictures.shape), "bytes": base64.b64encode(pictures.tobytes()).decode()}


def _decoded(values: dict[str, Any]) -> Pictures:
    flat = np.frombuffer(base64.b64decode(values["bytes"]), np.uint8)
    pictures: Pictures = flat.reshape(values["shape"])
    return pictures
