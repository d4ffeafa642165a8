"""Run `ganforge ui` over a test's own data, kill it and start it again."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from assets.instance.home import TEMPLATE
from pipeline.storage.paths import PROJECT, Paths
from tests.end_to_end.conftest import COMMAND, Served, wait_for
from tests.end_to_end.graphql import ask

SHORTER = {"poll_interval_seconds: 15": "poll_interval_seconds: 2"}
RUNS = """{ runsOrError(limit: 50) { ... on Runs { results { runId status parentRunId } } } }"""
STOP_TIMEOUT_SECONDS = 90


class RestartableUi:
    """A running UI with the template's settings and shorter intervals; leaving the context stops it."""

    def __init__(self, paths: Paths) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.served = Served(f"http://127.0.0.1:{self.port}", paths)

    def __enter__(self) -> "RestartableUi":
        template = TEMPLATE.read_text()
        for word, shorter in SHORTER.items():
            assert word in template
            template = template.replace(word, shorter)
        home = Path(os.environ.get("DAGSTER_HOME", self.served.paths.dagster()))
        home.mkdir(parents=True, exist_ok=True)
        (home / "dagster.yaml").write_text(template)
        self.start()
        return self

    def start(self) -> None:
        self.process = subprocess.Popen([*COMMAND, "ui", "--port", str(self.port)], cwd=PROJECT)
        wait_for(f"{self.served.url}/server_info", self.process)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            for pid in processes_with("api execute_run", str(self.served.paths.root)):
                os.killpg(pid, signal.SIGKILL)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_TIMEOUT_SECONDS) == 0

    def kill(self) -> None:
        """Kill the command, its webserver and its daemon at once, so that none has time to react."""
        children = self.children()
        self.process.kill()
        for child in children:
            os.killpg(child, signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT_SECONDS)

    def children(self) -> list[int]:
        return [pid for pid in processes_with("dagster") if parent_of(pid) == self.process.pid]

    def statuses(self) -> dict[str, str]:
        return {run["runId"]: run["status"] for run in ask(self.served, RUNS)["runsOrError"]["results"]}

    def retry_of(self, run: str) -> str | None:
        runs = ask(self.served, RUNS)["runsOrError"]["results"]
        return next((entry["runId"] for entry in runs if entry["parentRunId"] == run), None)


def processes_with(*words: str) -> list[int]:
    """Return the numbers of the processes with all of these words in their command line."""
    texts = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in command for word in words):
            texts.append(int(path.parent.name))
    return texts


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])
