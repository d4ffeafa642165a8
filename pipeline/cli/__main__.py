"""The commands that need no Dagster: `python -m pipeline.cli train mnist_mlp`. `assets/cli.py` adds the others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import MappingProxyType

from pipeline.cli.program import Command, build_program, run_program

COMMANDS = MappingProxyType(
    {
        "status": Command(
            "pipeline.cli.status:status", "Show which parts are fresh, stale (and why), missing or failed."
        ),
        "reports": Command("pipeline.cli.reports.commands:reports", "Query, rank and compare the stored scores."),
        "sample": Command("pipeline.cli.sample:sample", "Generate new images from stored weights."),
        "export": Command(
            "pipeline.cli.export:export", "Write a generator as ONNX, or the stored samples as other files."
        ),
        "champion": Command("pipeline.cli.champion:champion", "Show, promote or roll back a recipe's champion."),
        "ladder": Command(
            "pipeline.cli.ladder:ladder", "Print which score notices which corruption of a data set's real images."
        ),
        "score": Command("pipeline.cli.score:score", "Score any images, or features, against real ones."),
        "train": Command("pipeline.cli.train:train", "Train without Dagster, alone or under torchrun."),
    }
)
FORMS = ("--json", "--csv")


def main() -> int:
    """Run the command in the process's arguments and return its exit code."""
    words = forms_last(sys.argv[1:])
    program = build_program("python -m pipeline.cli", "The commands of ganforge that need no Dagster.", COMMANDS, words)
    return run_program(program, words)


def forms_last(words: Sequence[str]) -> list[str]:
    """Return the words with `--json` and `--csv` behind the command of `reports`; both orders are accepted."""
    if words[:1] != ["reports"]:
        return list(words)
    end = next((position for position, word in enumerate(words[1:], 1) if word not in FORMS), len(words))
    return ["reports", *words[end:], *words[1:end]]


if __name__ == "__main__":
    sys.exit(main())
