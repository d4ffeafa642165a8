"""Operations: the settings of what runs by itself, checked once where they enter.

In: `assets/operations.toml`, and field by field over it the user's own file that `GANFORGE_OPERATIONS` names.
Out: `Operations`. Every mistake is one sentence. Read when the definitions load, as the tables in `pipeline` are.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from assets.graph.partitions import OPTIMIZERS, RECIPES
from pipeline.settings import LEAST_SAMPLES
from pipeline.tables import (
    SettingsError,
    expect_fields,
    find,
    read_choice,
    read_table,
    read_text,
    read_whole,
    user_files,
)

VARIABLE = "GANFORGE_OPERATIONS"
BUILT_IN = Path(__file__).parents[1] / "operations.toml"
SINKS = ("none", "log", "webhook", "email")
SEVERITIES = ("warn", "error")
NEEDED = {"webhook": ("url",), "email": ("smtp_host", "sender", "recipients")}  # by sink
LARGEST_PORT = 65535


@dataclass(frozen=True)
class Retraining:
    """When every recipe's configurations are trained anew, and with what; None is what the recipe says."""

    cron: str  # five fields
    timezone: str  # IANA name
    recipes: tuple[str, ...]  # not empty
    optimizers: tuple[str, ...]  # not empty
    steps: int | None = None
    members: int | None = None
    samples: int | None = None  # generated images a member


@dataclass(frozen=True)
class Interval:
    """How often a sensor looks."""

    interval_seconds: int


@dataclass(frozen=True)
class Alerts:
    """Where failed checks and runs are told."""

    sink: str  # one of SINKS
    url: str  # of the webhook, or env:NAME
    smtp_host: str
    smtp_port: int
    sender: str
    recipients: tuple[str, ...]
    least_severity: str  # one of SEVERITIES


@dataclass(frozen=True)
class Retention:
    """How long what can be made again, or nobody reads any more, is kept."""

    run_days: int
    tick_days: int
    checkpoint_days: int


@dataclass(frozen=True)
class Operations:
    """All of it."""

    retraining: Retraining
    raw_data: Interval
    configurations: Interval
    alerts: Alerts
    retention: Retention


def load_operations(paths: tuple[Path, ...] | None = None) -> Operations:
    """The built-in settings, and field by field over them the user's file (default: what `GANFORGE_OPERATIONS` names).

    Raises `SettingsError`, one sentence, where a file cannot be used.
    """
    tables = {path: read_table(path) for path in (BUILT_IN, *(user_files(VARIABLE) if paths is None else paths))}
    for path, table in tables.items():
        _expect_sections(path, table)

    def merged(section: str) -> tuple[str, dict[str, Any]]:
        naming = [path for path, table in tables.items() if section in table]
        entry = {name: value for path in naming for name, value in tables[path][section].items()}
        return f"{naming[-1]}: [{section}]", entry

    return Operations(
        retraining=_retraining(*merged("retraining")),
        raw_data=_interval(*merged("raw_data")),
        configurations=_interval(*merged("configurations")),
        alerts=_alerts(*merged("alerts")),
        retention=_retention(*merged("retention")),
    )


SECTIONS: Mapping[str, type] = {
    "retraining": Retraining,
    "raw_data": Interval,
    "configurations": Interval,
    "alerts": Alerts,
    "retention": Retention,
}


def _expect_sections(path: Path, table: Mapping[str, Any]) -> None:
    """A file has no other sections and fields than those there are; it need not have them all."""
    for section, entry in table.items():
        known = find(SECTIONS, section, f"{path}: section")
        expect_fields(f"{path}: [{section}]", entry, {field.name for field in fields(known)})


def _retraining(where: str, entry: dict[str, Any]) -> Retraining:
    return Retraining(
        cron=_cron(where, entry),
        timezone=_timezone(where, entry),
        recipes=_keys(where, entry, "recipes", RECIPES),
        optimizers=_keys(where, entry, "optimizers", OPTIMIZERS),
        steps=read_whole(where, entry, "steps") if "steps" in entry else None,
        members=read_whole(where, entry, "members") if "members" in entry else None,
        samples=read_whole(where, entry, "samples", at_least=LEAST_SAMPLES) if "samples" in entry else None,
    )


def _cron(where: str, entry: dict[str, Any]) -> str:
    from dagster._utils.schedules import is_valid_cron_schedule

    cron = read_text(where, entry, "cron")
    if not is_valid_cron_schedule(cron):
        raise SettingsError(
            f"{where}: cron is {cron!r}, expected five fields: minute hour day month weekday, such as '0 3 * * *'"
        )
    return cron


def _timezone(where: str, entry: dict[str, Any]) -> str:
    name = read_text(where, entry, "timezone")
    try:
        return ZoneInfo(name).key
    except (KeyError, OSError, ValueError) as error:  # not found, or no name of a zone at all
        raise SettingsError(
            f"{where}: timezone is {name!r}, expected the IANA name of a time zone, such as 'Europe/Zurich'"
        ) from error


def _keys(where: str, entry: dict[str, Any], name: str, table: Mapping[str, object]) -> tuple[str, ...]:
    """Keys of a table in its order; all of them where none is named."""
    named = _texts(where, entry, name)
    for key in named:
        find(table, key, f"{where}: {name}:")
    return tuple(key for key in table if key in named or not named)


def _texts(where: str, entry: dict[str, Any], name: str) -> tuple[str, ...]:
    values = entry.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise SettingsError(f"{where}: {name} is {values!r}, expected a list of texts")
    return tuple(values)


def _interval(where: str, entry: dict[str, Any]) -> Interval:
    return Interval(read_whole(where, entry, "interval_seconds"))


def _alerts(where: str, entry: dict[str, Any]) -> Alerts:
    sink = read_choice(where, entry, "sink", SINKS)
    _expect_filled(where, entry, sink, NEEDED.get(sink, ()))
    port = read_whole(where, entry, "smtp_port")
    if port > LARGEST_PORT:
        raise SettingsError(f"{where}: smtp_port is {port}, expected a port of at most {LARGEST_PORT}")
    return Alerts(
        sink=sink,
        url=_maybe_text(where, entry, "url"),
        smtp_host=_maybe_text(where, entry, "smtp_host"),
        smtp_port=port,
        sender=_maybe_text(where, entry, "sender"),
        recipients=_texts(where, entry, "recipients"),
        least_severity=read_choice(where, entry, "least_severity", SEVERITIES),
    )


def _expect_filled(where: str, entry: Mapping[str, Any], sink: str, names: Collection[str]) -> None:
    for name in names:
        if not entry[name]:
            raise SettingsError(f"{where}: sink is {sink!r}, but {name} is empty; expected a value, or sink = 'none'")


def _maybe_text(where: str, entry: dict[str, Any], name: str) -> str:
    """A field that is a text or empty."""
    return "" if entry.get(name) == "" else read_text(where, entry, name)


def _retention(where: str, entry: dict[str, Any]) -> Retention:
    return Retention(**{field.name: read_whole(where, entry, field.name) for field in fields(Retention)})
