"""The built wheel holds all files that the installed package reads, and no others."""

import ast
import email
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest

import pipeline
from assets import cli
from pipeline.storage.paths import PROJECT
from tests.wheel.building import build_wheel

PACKAGES = ("pipeline", "assets")
SOURCES = [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]

INSTALLED = {(distribution.name or "").lower().replace("_", "-") for distribution in distributions()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel")))


def test_every_file_of_the_packages_is_in_the_wheel_and_no_other(wheel: zipfile.ZipFile) -> None:
    files = [path for package in PACKAGES for path in (PROJECT / package).rglob("*") if path.is_file()]
    expected = {path.relative_to(PROJECT).as_posix() for path in files if "__pycache__" not in path.parts}
    metadata = f"ganforge-{pipeline.__version__}.dist-info/"
    assert {name for name in wheel.namelist() if not name.startswith(metadata)} == expected
    assert {"assets/instance/dagster.yaml", "assets/instance/workspace.yaml"} < expected
    assert f"{metadata}licenses/LICENSE" in wheel.namelist()


def test_the_version_of_the_wheel_is_that_of_the_code(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    assert email.message_from_bytes(wheel.read(name))["Version"] == pipeline.__version__


def test_the_command_prints_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["ganforge", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out == f"ganforge {pipeline.__version__}\n"


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a file imports at any line."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    members = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in plain | members}


def names_of(requirements: Iterable[str]) -> set[str]:
    """Return the distributions that are always required, in lower case with hyphens."""
    names = [re.match(r"[\w.-]+", requirement) for requirement in requirements if "extra ==" not in requirement]
    return {match[0].lower().replace("_", "-") for match in names if match}


def with_requirements(names: set[str]) -> set[str]:
    """Return the distributions and all that are installed with them."""
    required: set[str] = set()
    while names:
        required |= names
        names = {name for name_of in names & INSTALLED for name in names_of(requires(name_of) or ())} - required
    return required


def test_every_package_that_the_code_imports_is_installed_with_the_wheel() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = with_requirements(names_of(project["dependencies"]))
    imports = set().union(*map(imported, SOURCES)) - set(sys.stdlib_module_names) - set(PACKAGES)
    providers = packages_distributions()
    assert "torch" in imports
    assert {name for name in imports if not installed & names_of(providers.get(name, ()))} == set()
