"""Origins: where Dagster records that a run, schedule or sensor comes from, for this project and for another one."""

import sqlite3

from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from sqlalchemy import event
from sqlalchemy.engine import Engine

from assets.graph.run_tags import about_tags

OWN, FOREIGN = ("ganforge", "assets.definitions"), ("elsewhere", "elsewhere.definitions")  # location, module
OWN_TAGS = about_tags("mnist_mlp", ("adam",), 0)  # as `ganforge materialize` sets them


@event.listens_for(Engine, "connect")
def without_waiting_for_the_disk(connection: object, _: object) -> None:
    """Dagster commits every line of its log, and no test survives a power cut anyway."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def repository(location: str, module: str | None) -> RemoteRepositoryOrigin:
    """Return a repository's origin; for a location in a file it names no module."""
    target = LoadableTargetOrigin(module_name=module, python_file=None if module else "definitions.py")
    return RemoteRepositoryOrigin(ManagedGrpcPythonEnvCodeLocationOrigin(target, location), "__repository__")


def job_origin(location: str, module: str | None) -> RemoteJobOrigin:
    """Return the origin of runs that a UI, schedule or sensor of the location started."""
    return RemoteJobOrigin(repository(location, module), "job")


def instigator_origin(name: str, location: str, module: str) -> RemoteInstigatorOrigin:
    """Return the origin of a schedule or sensor of the location."""
    return RemoteInstigatorOrigin(repository(location, module), name)
