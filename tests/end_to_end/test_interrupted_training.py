"""`ganforge materialize`, interrupted after several observations: the same command continues from that step."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from assets import cli
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.records import progress

STEPS, INTERRUPTED_AT = 500, 437
COMMAND = ["ganforge", "materialize", "mnist_mlp", "--optimizer", "sgd", "rmsprop", "--members", "1", "--samples", "10"]
pytestmark = pytest.mark.usefixtures("prepared", "no_page")


@pytest.fixture(autouse=True)
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let SIGINT act in the test's process as in a command, and observe every interval."""
    monkeypatch.setattr(progress, "OBSERVATION_SECONDS", 0.0)
    monkeypatch.setattr(progress, "OBSERVATION_SHARE", 0.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(step: Any) -> Any:
    """Replace the engine's step by one that receives Ctrl-C in the middle of one step."""

    def interrupting(self: Ensemble, at: int, **options: Any) -> Any:
        if at == INTERRUPTED_AT - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, at, **options)

    return interrupting


def observed_steps(instance: dg.DagsterInstance) -> list[object]:
    """Return the steps of the observations in Dagster's event log, oldest first."""
    records = instance.fetch_observations(dg.AssetKey(["mnist_mlp", "generator"]), limit=100).records
    observations = [record.asset_observation for record in reversed(records)]
    return [observation.metadata["step"].value for observation in observations if observation is not None]


def test_ctrl_c_after_several_observations_ends_the_command_and_keeps_every_step(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    instance: dg.DagsterInstance,
) -> None:
    """The two configurations train one after another: the second must not begin."""
    monkeypatch.setattr("sys.argv", [*COMMAND, "--steps", str(STEPS)])
    with monkeypatch.context() as patch:
        patch.setattr(Ensemble, "step", interrupted(Ensemble.step))
        assert cli.main() == 130
    printed = capsys.readouterr()
    assert printed.err == "ganforge: interrupted; finished work is kept\n"
    assert "training sgd" in printed.out
    assert "training rmsprop" not in printed.out
    checkpoints = paths.training("mnist_mlp", "sgd") / "checkpoints"
    assert [path.name for path in checkpoints.glob("*/step_*")] == [f"step_{INTERRUPTED_AT:08d}"]
    assert observed_steps(instance) == [100, 125, 200, 250, 300, 375, 400]
    assert cli.main() == 0
    assert f"from step {INTERRUPTED_AT:,}" in capsys.readouterr().out
    artefact = read_artefact(paths.training("mnist_mlp", "sgd"))
    assert artefact is not None
    assert artefact.details["resumed_at_step"] == INTERRUPTED_AT
