"""Former modules: names in an instance's `dagster.yaml` that this project's modules no longer have.

The file is copied once and is then the user's to edit, so it may name modules of an older version. Dagster could not
import them. Only these names are replaced; every other line stays.
"""

import re
from pathlib import Path

from assets.graph.ownership import is_in_data_folder
from pipeline.storage.atomic import atomic_file
from pipeline.storage.lock import hold_lock

PRESENT_NAMES = {
    "assets.orchestration.launcher": "assets.instance.launcher",
    "assets.orchestration.any_folder_storage": "assets.instance.any_folder_storage",
}
FORMER = re.compile(rf"(?<=module: )({'|'.join(map(re.escape, PRESENT_NAMES))})(?=\s|$)")


def expect_present_modules(home: Path) -> None:
    """Replace former names in the data folder's own instance; raise `ValueError` if any other instance has them.

    Another instance may be another project's, so a command that only reads it does not change its settings.
    """
    if not FORMER.search(_settings(home)):
        return
    if not is_in_data_folder(home):
        raise ValueError(
            f"{home / 'dagster.yaml'}: names a module of an older ganforge, which no longer exists; "
            "ganforge materialize and ganforge ui put the present name in its place"
        )
    with hold_lock(home / ".lock"):  # two commands that start at once would both write it
        replace_former_modules(home)


def replace_former_modules(home: Path) -> None:
    """Replace former module names in `home/dagster.yaml` by their present names."""
    former = _settings(home)
    present = FORMER.sub(lambda match: PRESENT_NAMES[match[0]], former)
    if present != former:
        with atomic_file(home / "dagster.yaml") as unfinished:
            unfinished.write_text(present, encoding="utf-8")


def _settings(home: Path) -> str:
    return (home / "dagster.yaml").read_text(encoding="utf-8")
