"""Abandoned runs: found by the process that each run names in a tag, and failed once that process is gone.

A run whose process is killed cannot say so: it stays in progress for ever, and with it the place in its pool that keeps
others waiting. A process number alone proves nothing, since numbers are used again, so the tag also carries when the
process started, since which boot, on which machine, and the run itself: a run tried again inherits the tags of the one
before. What cannot be judged from here, such as a run of another machine or another container, counts as alive, and is
never signalled; nor is a process whose start is unknown, as where there is no /proc.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from assets.graph.ownership import is_own_run
from assets.graph.run_tags import PROCESS_TAG

IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
UNKNOWN = "-"  # where the system has no /proc
PROCESSES = Path("/proc")
BOOT = PROCESSES / "sys/kernel/random/boot_id"
STATE, STARTED_TICKS = 0, 19  # fields 3 and 22 of /proc/<pid>/stat, counted behind the name: see proc(5)


@dataclass(frozen=True)
class ProcessMark:
    """A process, told apart from every other that had or will have its number."""

    run_id: str  # of the run that it executes
    pid: int
    started_ticks: str  # since the boot
    boot: str
    namespace: str  # in which the number holds: a container has its own
    host: str

    @property
    def text(self) -> str:
        """The tag's value; `read_mark` is the inverse."""
        return " ".join((self.run_id, str(self.pid), self.started_ticks, self.boot, self.namespace, self.host))


def process_tag(run_id: str, pid: int | None = None) -> dict[str, str]:
    """The tag of a run that a process (default: this one) executes."""
    pid = os.getpid() if pid is None else pid
    mark = ProcessMark(run_id, pid, _started_ticks(pid) or UNKNOWN, _boot(), _namespace(), socket.gethostname())
    return {PROCESS_TAG: mark.text}


def read_mark(run: dg.DagsterRun) -> ProcessMark | None:
    """What a run's own tag says; None where it has none, or only the one of the run it repeats."""
    fields = run.tags.get(PROCESS_TAG, "").split(" ", maxsplit=5)
    if len(fields) != 6 or fields[0] != run.run_id or not fields[1].isdigit():
        return None
    return ProcessMark(fields[0], int(fields[1]), *fields[2:])


def living_process(run: dg.DagsterRun) -> int | None:
    """The number of the process that executes a run, where it is certainly that one and alive: safe to signal."""
    mark = read_mark(run)
    if mark is None or not _is_here(mark) or not _exists(mark.pid):
        return None
    return mark.pid if UNKNOWN != mark.started_ticks == _started_ticks(mark.pid) else None


def is_gone(run: dg.DagsterRun) -> bool:
    """Whether the process of a run has certainly ended."""
    mark = read_mark(run)
    if mark is None:
        return False
    if mark.boot != _boot():  # has this machine been started anew?
        return mark.host == socket.gethostname() and UNKNOWN not in (mark.boot, _boot())
    if not _is_here(mark):
        return False
    if not _exists(mark.pid):
        return True
    started_ticks = _started_ticks(mark.pid)
    return started_ticks is not None and UNKNOWN != mark.started_ticks != started_ticks


def fail_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail this project's runs in progress whose process is gone, and free their pools' slots.

    A run that was being cancelled ends as cancelled. Runs of other projects in the same instance are left alone.
    """
    runs = [run for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS)) if is_own_run(run)]
    return [run.run_id for run in runs if is_gone(run) and _fail(instance, run.run_id)]


def told(run: dg.DagsterRun) -> str:
    """One sentence about a run whose process is gone."""
    mark = read_mark(run)
    number = "" if mark is None else f" {mark.pid}"
    return (
        f"The run's process{number} ended without a word: it was killed, memory ran out, or the machine was started "
        "anew; run it again, what was finished is kept and training goes on from its last checkpoint"
    )


def _fail(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the run, read again since its process may have finished it meanwhile, had to be ended."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, told(run))
    else:
        instance.report_run_failed(run, told(run))
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return True


def _is_here(mark: ProcessMark) -> bool:
    """Whether its number holds here. A known boot tells machines apart; their names can change while a run goes on."""
    if (mark.boot, mark.namespace) != (_boot(), _namespace()):
        return False
    return mark.boot != UNKNOWN or mark.host == socket.gethostname()


def _exists(pid: int) -> bool:
    """Whether a process of this number is there; one that ended and waits to be collected is not."""
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
    """The process's state and what follows; None where it cannot be read."""
    try:
        text = (PROCESSES / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()  # the name before may hold anything, spaces and brackets too


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
