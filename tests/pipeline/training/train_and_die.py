"""A training that is killed again and again: run as a program by `test_resume.py`.

    python train_and_die.py SETTINGS.json TIMES.json

Every process is a fork that runs the same command again. Each entry of TIMES names the moment at which one process
ends by SIGKILL:

- a number: in this step, after the discriminator's first update;
- "save": in the middle of its first checkpoint; "saved": just after that;
- "snapshot": in the middle of its second picture;
- "evaluation": in the middle of its second file of images to score;
- "publish": before the first artefact appears; "published": before the second.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.settings import TrainingSettings
from pipeline.storage.paths import Paths
from pipeline.tensors.load import require_tensors
from pipeline.training import checkpoint, publication
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.records import scored_images as evaluations
from pipeline.training.records import snapshots
from pipeline.training.replay.step import StepOutputs
from pipeline.training.train import train


def main() -> None:
    settings = [TrainingSettings.from_json(entry) for entry in json.loads(Path(sys.argv[1]).read_text())]
    for time in json.loads(Path(sys.argv[2]).read_text()):
        child = os.fork()
        if child == 0:
            die_at(time)
            run(settings)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the process that was to die at {time} ended with status {status}")
    run(settings)


def run(settings: list[TrainingSettings]) -> None:
    paths = Paths.default()
    train(settings, require_tensors(paths, "mnist"), paths, checkpoint_interval_steps=5)


def die_at(time: int | str) -> None:
    if isinstance(time, str):
        owner, name, calls = PLACES[time]
        setattr(owner, name, dying(getattr(owner, name), calls, after=time == "saved"))
        return
    step = Ensemble.step

    def deadly(self: Ensemble, at: int, *, measure_gradients: bool = False) -> StepOutputs:
        if at == time:
            # A recorded step calls `StackedOptimizer.update` by itself, so the updates below it are replaced.
            updates = self.stacks[0].training.discriminator_optimizer.updates
            updates.update = after_one(updates.update)  # type: ignore[method-assign]
        return step(self, at, measure_gradients=measure_gradients)

    Ensemble.step = deadly  # type: ignore[method-assign, assignment]


PLACES: dict[str, tuple[Any, str, int]] = {
    "save": (checkpoint, "flush", 1),
    "saved": (checkpoint.Checkpoints, "save", 1),
    "snapshot": (snapshots, "write_grid", 2),
    "evaluation": (evaluations, "write_images_from_file", 2),
    "publish": (publication, "replace_training", 1),
    "published": (publication, "replace_training", 2),
}


def dying(function: Callable[..., Any], calls: int, *, after: bool) -> Callable[..., Any]:
    done = 0

    def deadly(*arguments: Any, **options: Any) -> Any:
        nonlocal done
        done += 1
        if done < calls:
            return function(*arguments, **options)
        if after:
            function(*arguments, **options)
        elif function.__name__ in ("write_grid", "write_images_from_file"):
            arguments[0].write_bytes(b"half a file")
        die()
        return None

    return deadly


def after_one(update: Callable[..., None]) -> Callable[..., None]:
    def once(*arguments: Any) -> None:
        update(*arguments)
        die()

    return once


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
