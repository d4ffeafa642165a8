"""Options: types and groups of options that several commands share.

In: words. Out: checked values. A group is a frozen dataclass; cyclopts makes an option of every field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter, Token

ALL = "all"  # members
FULL: Literal["full"] = "full"
LEAST_SAMPLES = 10  # images per member, as `pipeline.settings` has it; not imported, because that takes time


def at_least(least: int) -> Callable[[Any, Sequence[Token]], int]:
    """Return a reader of whole numbers from `least` on; cyclopts by itself rounds 3.5 to 4."""

    def read(_: Any, tokens: Sequence[Token]) -> int:
        text = tokens[-1].value
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise ValueError(f"found {text!r}, expected a whole number of at least {least}")
        return number

    return read


def read_steps(_: Any, tokens: Sequence[Token]) -> int | Literal["full"]:
    """Return a number of training steps, or "full" for the source's own budget."""
    text = tokens[-1].value
    if text == FULL:
        return FULL
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"found {text!r}, expected a whole number of at least 1, or 'full'")
    return int(text)


def read_configurations(_: Any, tokens: Sequence[Token]) -> list[str]:
    """Return the keys of configurations, which spaces or commas separate."""
    keys = [key for token in tokens for key in token.value.split(",") if key]
    if not keys:
        text = " ".join(token.value for token in tokens)
        raise ValueError(f"found no configuration in {text!r}, expected one or more")
    return keys


Count: TypeAlias = Annotated[int, Parameter(converter=at_least(1), metavar="N")]
Seed: TypeAlias = Annotated[int, Parameter(converter=at_least(0), metavar="S")]
KindOfWeights: TypeAlias = Literal["raw", "average"]  # of the generator
Recipe: TypeAlias = Annotated[str, Parameter(help="a recipe of pipeline/recipes.toml, such as mnist_mlp")]
Configurations: TypeAlias = Annotated[
    list[str] | None,
    Parameter(
        converter=read_configurations,
        consume_multiple=(1, None),
        metavar="KEY...",
        help="configurations; default: all of them",
    ),
]
Optimizer: TypeAlias = Annotated[
    str | None,
    Parameter(
        metavar="KEY",
        help="a configuration; default: the recipe's champion, or while there is none the best by the newest reports",
    ),
]
Columns: TypeAlias = Annotated[Count | None, Parameter(help="columns of the grid; default: about as many as rows")]
Force: TypeAlias = Annotated[bool, Parameter(help="replace the pictures of a folder that has some")]


@Parameter(name="*")
@dataclass(frozen=True)
class TrainingOptions:
    """The budget of a training; None takes the recipe's value."""

    steps: Annotated[
        int | Literal["full"] | None,
        Parameter(
            converter=read_steps,
            metavar="N",
            show_choices=False,
            help="training steps, or 'full' for the source's own budget",
        ),
    ] = None
    members: Annotated[Count | None, Parameter(help="replicates that differ by seed alone")] = None
    width: Annotated[Count | None, Parameter(help="width of the network's layers; small ones suit a CPU")] = None
    seed: Annotated[Seed, Parameter(help="training seed")] = 0


@Parameter(name="*")
@dataclass(frozen=True)
class ChainOptions(TrainingOptions):
    """The budget of a whole chain, from raw files to the comparison; None takes the recipe's value."""

    samples: Annotated[
        int | None,
        Parameter(
            converter=at_least(LEAST_SAMPLES), metavar="N", help=f"generated images per member, {LEAST_SAMPLES} or more"
        ),
    ] = None
    weights: Annotated[
        KindOfWeights | None,
        Parameter(
            help="generate samples with the generator's weights as trained (raw) or with their running average; "
            "default: the average if the configuration has ema_decay"
        ),
    ] = None
    extractor: Annotated[
        Literal["classifier", "inception"],
        Parameter(help="network for the scores: the data set's own classifier, or Inception-v3 as papers use"),
    ] = "classifier"
    thorough: Annotated[
        bool, Parameter(help="also compute scores that take minutes: GAN-train, GAN-test, path length")
    ] = False
    force: Annotated[bool, Parameter(help="make everything anew, also unchanged artefacts")] = False


CHAIN_DEFAULTS = ChainOptions()
TRAINING_DEFAULTS = TrainingOptions()
