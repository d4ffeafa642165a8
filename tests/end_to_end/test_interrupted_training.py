"""`ganforge materialize`, interrupted after several observations: the same command continues from that step."""

import subprocess
import sys

import dagster as dg
import pytest

from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import PROJECT, Paths

STEPS, INTERRUPTED_AT = 500, 437
COMMAND = ["materialize", "mnist_mlp", "--optimizer", "sgd", "rmsprop", "--members", "1", "--samples", "10"]
PROGRAM = f"""
import os, signal, sys
from assets import cli
from pipeline.training import progress
from pipeline.training.engine import Ensemble

progress.OBSERVATION_SECONDS = progress.OBSERVATION_SHARE = 0.0  # an observation at every interval
step = Ensemble.step

def interrupted(self, at, **options):
    if at == {INTERRUPTED_AT - 1}:
        os.kill(os.getpid(), signal.SIGINT)
    return step(self, at, **options)

Ensemble.step = interrupted
sys.exit(cli.main())
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=PROJECT, capture_output=True, text=True, timeout=300)


def observed_steps() -> list[object]:
    """The steps at which Dagster's event log shows the training, oldest first."""
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_observations(dg.AssetKey(["mnist_mlp", "generator"]), limit=100).records
    observations = [record.asset_observation for record in reversed(records)]
    return [observation.metadata["step"].value for observation in observations if observation is not None]


@pytest.mark.usefixtures("prepared")
def test_ctrl_c_after_several_observations_ends_the_command_and_keeps_every_step(paths: Paths) -> None:
    """The two configurations train one after another: the second must not begin."""
    stopped = run("-c", PROGRAM, *COMMAND, "--steps", str(STEPS))
    assert (stopped.returncode, stopped.stderr) == (130, "ganforge: interrupted; what was finished is kept\n")
    assert "training sgd" in stopped.stdout
    assert "training rmsprop" not in stopped.stdout
    checkpoints = paths.training("mnist_mlp", "sgd") / "checkpoints"
    assert [path.name for path in checkpoints.glob("*/step_*")] == [f"step_{INTERRUPTED_AT:08d}"]
    assert observed_steps() == [100, 125, 200, 250, 300, 375, 400]
    continued = run("-m", "assets.cli", *COMMAND, "--steps", str(STEPS))
    assert continued.returncode == 0, continued.stderr
    assert f"from step {INTERRUPTED_AT:,}" in continued.stdout
    artefact = read_artefact(paths.training("mnist_mlp", "sgd"))
    assert artefact is not None
    assert artefact.details["resumed_at_step"] == INTERRUPTED_AT
