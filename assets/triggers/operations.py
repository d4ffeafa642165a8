"""Operations: settings of the schedules, sensors, alerts and retention that run without a user.

In: `assets/operations.toml`, and the user's file that `GANFORGE_OPERATIONS` names. Its fields replace those of the
built-in file. Out: `Operations`. The files are read when the definitions load. Defaults stand in the built-in file
alone; type, range and description stand on the field.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from assets.graph.partitions import OPTIMIZERS, RECIPES
from pipeline.settings import LEAST_SAMPLES
from pipeline.tables import (
    CHECKED,
    Mistakes,
    Text,
    expect_names,
    fields_of,
    find,
    nearest,
    read_table,
    read_value,
    user_files,
)

VARIABLE = "GANFORGE_OPERATIONS"
BUILT_IN = Path(__file__).parents[1] / "operations.toml"
REQUIRED = {"webhook": ("url",), "email": ("smtp_host", "sender", "recipients")}  # by sink


def _check_cron(text: str) -> str:
    from dagster._utils.schedules import is_valid_cron_schedule

    if not is_valid_cron_schedule(text):
        raise ValueError("expected five fields: minute hour day month weekday, such as '0 3 * * *'")
    return text


def _check_timezone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, OSError, ValueError) as error:  # an unknown zone, a folder of zones, or an ill-formed name
        raise ValueError("expected the IANA name of a time zone, such as 'Europe/Zurich'") from error


def _keys_of(table: Mapping[str, object]) -> AfterValidator:
    """Check keys of a table and put them into its order; no key at all stands for all of them."""

    def check(keys: tuple[str, ...]) -> tuple[str, ...]:
        unknown = next((key for key in keys if key not in table), None)
        if unknown is not None:
            raise ValueError(f"expected only: {', '.join(table)}{nearest(unknown, table)}")
        return tuple(key for key in table if key in keys or not keys)

    return AfterValidator(check)


Count = Annotated[int, Field(ge=1)]
MaybeText = Annotated[str, Field(pattern=r"^$|\S")]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]  # not strict: TOML has lists, and tuples can be hashed


@dataclass(frozen=True, config=CHECKED)
class Retraining:
    """Schedules that train configurations again, one schedule per recipe."""

    cron: Annotated[
        Text,
        AfterValidator(_check_cron),
        Field(description="Ticks of each schedule <recipe>_retraining: minute hour day month weekday."),
    ]
    timezone: Annotated[
        Text, AfterValidator(_check_timezone), Field(description="Time zone of cron, such as Europe/Zurich.")
    ]
    recipes: Annotated[Texts, _keys_of(RECIPES), Field(description="Recipes with a schedule; an empty list: all.")]
    optimizers: Annotated[
        Texts, _keys_of(OPTIMIZERS), Field(description="Configurations that are trained again; an empty list: all.")
    ]
    steps: Annotated[
        Count | None, Field(description="Steps of runs that schedules and sensors start; without it, the recipe's.")
    ] = None
    members: Annotated[
        Count | None, Field(description="Members of runs that schedules and sensors start; without it, the recipe's.")
    ] = None
    samples: Annotated[
        int | None,
        Field(
            ge=LEAST_SAMPLES,
            description="Images per member of runs that schedules and sensors start; without it, the recipe's.",
        ),
    ] = None


@dataclass(frozen=True, config=CHECKED)
class Interval:
    """Time between two ticks of a sensor."""

    interval_seconds: Annotated[Count, Field(description="Least seconds between two ticks of the sensor.")]


@dataclass(frozen=True, config=CHECKED)
class Alerts:
    """Sink of the alerts about failed checks and failed runs."""

    sink: Annotated[Literal["none", "log", "webhook", "email"], Field(description="Where alerts are sent.")]
    url: Annotated[
        MaybeText, Field(description="Address of the webhook; env:NAME takes it from that environment variable.")
    ]
    smtp_host: Annotated[MaybeText, Field(description="Mail server of sink email.")]
    smtp_port: Annotated[int, Field(ge=1, le=65535, description="Port of the mail server.")]
    sender: Annotated[MaybeText, Field(description="Mail address that sends.")]
    recipients: Annotated[Texts, Field(description="Mail addresses that receive.")]
    least_severity: Annotated[
        Literal["warn", "error"], Field(description="Least severity of a failed check that raises an alert.")
    ]

    @model_validator(mode="after")
    def _expect_filled(self) -> "Alerts":
        empty = [name for name in REQUIRED.get(self.sink, ()) if not getattr(self, name)]
        if empty:
            names = f"{', '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
            raise ValueError(f"sink is {self.sink!r}, but {names}; expected a value, or sink = 'none'")
        return self


@dataclass(frozen=True, config=CHECKED)
class Retention:
    """Limits of records and files that can be made again."""

    run_days: Annotated[Count, Field(description="Days for which finished runs and their events are kept.")]
    tick_days: Annotated[Count, Field(description="Days for which ticks of schedules and sensors are kept.")]
    checkpoint_days: Annotated[
        Count,
        Field(description="Days for which checkpoints that no training continued, and unfinished downloads, are kept."),
    ]
    earlier_trainings: Annotated[
        int,
        Field(
            ge=0,
            description="Trainings of other settings, steps or seed per partition that keep their weights when a new "
            "one replaces them.",
        ),
    ]


@dataclass(frozen=True, config=CHECKED)
class Operations:
    """All sections of the file."""

    retraining: Retraining
    raw_data: Annotated[Interval, Field(description="Sensor raw_data: looks at the files that the user named.")]
    configurations: Annotated[Interval, Field(description="Sensor configurations: reads the tables.")]
    alerts: Alerts
    retention: Annotated[Retention, Field(description="Limits of `ganforge clean`, and of weights that are replaced.")]


def load_operations(paths: tuple[Path, ...] | None = None) -> Operations:
    """Return the built-in settings with the fields of the user's file (default: the one `GANFORGE_OPERATIONS` names).

    Raises `SettingsError` with all mistakes of the files.
    """
    mistakes = Mistakes()
    tables = {path: read_table(path) for path in (BUILT_IN, *(user_files(VARIABLE) if paths is None else paths))}
    for path, table in tables.items():
        for section, entry in table.items():
            mistakes.attempt(_expect_section, path, section, entry)
    sections: dict[str, Any] = {name: mistakes.attempt(_section, name, tables) for name in fields_of(Operations)}
    mistakes.expect_none()
    return Operations(**sections)


def _model_of(section: str) -> type:
    """Return the class of a section."""
    model: Any = fields_of(Operations)[section].annotation
    return model  # type: ignore[no-any-return]


def _expect_section(path: Path, section: str, entry: Mapping[str, Any]) -> None:
    """Raise `SettingsError` for a section or field that does not exist. A file need not name them all."""
    find(fields_of(Operations), section, f"{path}: section")
    expect_names(f"{path}: [{section}]", entry, fields_of(_model_of(section)))


def _section(name: str, tables: Mapping[Path, Mapping[str, Any]]) -> Any:
    """Return a section from the fields of all files; a later file replaces the fields of an earlier one."""
    naming = [path for path, table in tables.items() if name in table]
    entry = {field: value for path in naming for field, value in tables[path][name].items()}
    return read_value(_model_of(name), f"{naming[-1]}: [{name}]", entry)
