"""Launch: data-parallel training as processes of their own, started by `torchrun`, watched and stopped from here.

In: resolved settings, and how many processes on this machine. The processes run `python -m pipeline.cli.train` on the
same settings; the first prints its log and, as JSON, its observations. Whatever ends this function ends them all.
"""

from __future__ import annotations

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

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import PROJECT, Paths
from pipeline.training.history import Measured
from pipeline.training.progress import Observation, PartitionObservation
from pipeline.training.system import SystemUse

log = logging.getLogger(__name__)

STOP_SECONDS = 45.0  # torchrun itself gives its processes 30 to write their checkpoint
LAST_LINES = 20


def train_in_processes(
    settings: Sequence[TrainingSettings], paths: Paths, processes: int, *, force: bool = False
) -> Generator[Observation, None, dict[str, Artefact]]:
    """As `train.train_watched`, by several processes that share every batch."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.json"
        file.write_text(json.dumps([each.to_json() for each in settings]), encoding="utf-8")
        command = _command(file, processes, force=force)
        yield from _watched(command, {**os.environ, "GANFORGE_DATA": str(paths.root)})
    return {each.optimizer: _published(each, paths) for each in settings}


def _command(settings: Path, processes: int, *, force: bool) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*torchrun, "-m", "pipeline.cli.train", "--settings", str(settings), *(["--force"] if force else [])]


def _watched(command: list[str], environment: Mapping[str, str]) -> Generator[Observation, None, None]:
    """Run a command to its end; lines of JSON are observations, others go to the log."""
    environment = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **environment}
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    last: list[str] = []
    try:
        for line in process.stdout or ():
            if line.startswith("{"):
                yield observation_from_json(json.loads(line))
            elif line.strip():
                log.info("%s", line.rstrip())
                last = [*last[1 - LAST_LINES :], line]
        if process.wait() != 0:
            raise OSError(f"training by several processes failed with code {process.returncode}:\n{''.join(last)}")
    finally:
        _stop(process)


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


def _published(settings: TrainingSettings, paths: Paths) -> Artefact:
    folder = paths.training(settings.recipe, settings.optimizer)
    artefact = read_artefact(folder)
    if artefact is None:
        raise FileNotFoundError(f"{folder}: the processes ended without trained networks; see the log above")
    return artefact


def observation_to_json(observation: Observation) -> str:
    """One line; the pictures are left out."""
    partitions = {
        key: {**vars(each), "measured": each.measured and vars(each.measured), "pictures": None}
        for key, each in observation.partitions.items()
    }
    return json.dumps({**vars(observation), "partitions": partitions, "system": asdict(observation.system)})


def observation_from_json(values: dict[str, Any]) -> Observation:
    """The inverse of `observation_to_json`."""
    partitions = {
        key: PartitionObservation(**{**each, "measured": each["measured"] and Measured(**each["measured"])})
        for key, each in values["partitions"].items()
    }
    return Observation(**{**values, "partitions": partitions, "system": SystemUse(**values["system"])})
