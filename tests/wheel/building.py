"""Build the wheel from a copy of the sources; it would otherwise include `build/` of an earlier build."""

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.storage.paths import PROJECT

NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "build", "data", "artifacts", "*.egg-info")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout in a folder, with the installed setuptools and without network."""
    source = folder / "source"
    shutil.copytree(PROJECT, source, ignore=NOT_SOURCES, symlinks=True)
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder))
    subprocess.run([*PIP, "wheel", *options, str(source)], check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel
