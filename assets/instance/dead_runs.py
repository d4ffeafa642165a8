"""Dead runs: runs with a process that ended without recording it. They are found by the process in each run's tag.

A run that is killed cannot record its end. It would stay in progress for ever and hold its place in a pool, for which
other runs wait. A process number alone is no proof, because systems use numbers again. The tag therefore also has the
process's start, the boot, the machine and the run itself, since a retried run inherits the tags of the run before.

A run that cannot be checked from here, such as one of another machine or container, counts as alive and is never
signalled. A process with an unknown start, as on systems without /proc, is not signalled either.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from assets.graph.ownership import is_own_run
from assets.graph.run_tags import PROCESS_TAG

IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
UNKNOWN = "-"  # on a system without /proc
PROCESSES = Path("/proc")
BOOT = PROCESSES / "sys/kernel/random/boot_id"
STATE, STARTED_TICKS = 0, 19  # fields 3 and 22 of /proc/<pid>/stat, counted after the name: see proc(5)


@dataclass(frozen=True)
class ProcessMark:
    """A process, distinguished from every other process that had or will have its number."""

    run_id: str  # the run that it executes
    pid: int
    started_ticks: str  # since the boot
    boot: str
    namespace: str  # the number is valid in it: a container has a namespace of its own
    host: str

    @property
    def text(self) -> str:
        """The value of the tag. `read_mark` is the inverse."""
        return " ".join((self.run_id, str(self.pid), self.started_ticks, self.boot, self.namespace, self.host))


def process_tag(run_id: str, pid: int | None = None) -> dict[str, str]:
    """Return the tag of a run that a process executes; by default this process."""
    pid = os.getpid() if pid is None else pid
    mark = ProcessMark(run_id, pid, _started_ticks(pid) or UNKNOWN, _boot(), _namespace(), socket.gethostname())
    return {PROCESS_TAG: mark.text}


def read_mark(run: dg.DagsterRun) -> ProcessMark | None:
    """Return the process in a run's tag; None without a tag, or if the tag belongs to the run that this one repeats."""
    fields = run.tags.get(PROCESS_TAG, "").split(" ", maxsplit=5)
    if len(fields) != 6 or fields[0] != run.run_id or not fields[1].isdigit():
        return None
    return ProcessMark(fields[0], int(fields[1]), *fields[2:])


def living_process(run: dg.DagsterRun) -> int | None:
    """Return the number of a run's living process if it is certainly that process and safe to signal, else None."""
    mark = read_mark(run)
    if mark is None or not _is_here(mark) or not _exists(mark.pid):
        return None
    return mark.pid if UNKNOWN != mark.started_ticks == _started_ticks(mark.pid) else None


def is_gone(run: dg.DagsterRun) -> bool:
    """Return whether the process of a run has certainly ended."""
    mark = read_mark(run)
    if mark is None:
        return False
    if mark.boot != _boot():  # this machine was restarted, or the run belongs to another machine
        return mark.host == socket.gethostname() and UNKNOWN not in (mark.boot, _boot())
    if not _is_here(mark):
        return False
    if not _exists(mark.pid):
        return True
    started_ticks = _started_ticks(mark.pid)
    return started_ticks is not None and UNKNOWN != mark.started_ticks != started_ticks


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail this project's runs in progress that have a dead process, and free their pools' slots.

    A run that was being cancelled ends as cancelled. Runs of other projects in the same instance are left alone.
    """
    runs = [run for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS)) if is_own_run(run)]
    return [run.run_id for run in runs if is_gone(run) and _fail(instance, run.run_id)]


def dead_run_sentence(run: dg.DagsterRun) -> str:
    """Return one sentence for people about a run with a dead process."""
    mark = read_mark(run)
    number = "" if mark is None else f" {mark.pid}"
    return (
        f"The run's process{number} ended without a message: it was killed, memory ran out, or the machine restarted; "
        "run it again: finished assets are kept and training continues from its last checkpoint"
    )


def _fail(instance: dg.DagsterInstance, run_id: str) -> bool:
    """End a run and return True, or return False if its process finished it since it was listed."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, dead_run_sentence(run))
    else:
        instance.report_run_failed(run, dead_run_sentence(run))
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return True


def _is_here(mark: ProcessMark) -> bool:
    """Return whether the process number is valid here.

    The boot distinguishes machines. Their names may change while a run is in progress.
    """
    if (mark.boot, mark.namespace) != (_boot(), _namespace()):
        return False
    return mark.boot != UNKNOWN or mark.host == socket.gethostname()


def _exists(pid: int) -> bool:
    """Return whether a process of this number exists. A process that ended and awaits collection does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    fields = _stat(pid)
    return fields is None or fields[STATE] not in ("Z", "X")


def _started_ticks(pid: int) -> str | None:
    fields = _stat(pid)
    return None if fields is None else fields[STARTED_TICKS]


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the state on, or None if it cannot be read."""
    try:
        text = (PROCESSES / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()  # the name in front may contain spaces and brackets


def _boot() -> str:
    try:
        return BOOT.read_text().strip()
    except OSError:
        return UNKNOWN


def _namespace() -> str:
    try:
        return str((PROCESSES / "self/ns/pid").stat().st_ino)
    except OSError:
        return UNKNOWN
