"""Former modules: names in an instance's `dagster.yaml` that this project's modules no longer have.

The file is copied once and is then the user's to edit, so it may name modules of an older version. Dagster could not
import them. Only these names are replaced; every other line stays. Imports no Dagster.
"""

import re
from pathlib import Path

from pipeline.storage.atomic import atomic_file

PRESENT_NAMES = {
    "assets.orchestration.launcher": "assets.instance.launcher",
    "assets.orchestration.any_folder_storage": "assets.instance.any_folder_storage",
}


def replace_former_modules(home: Path) -> None:
    """Replace former module names in `home/dagster.yaml` by their present names."""
    settings = home / "dagster.yaml"
    former = settings.read_text(encoding="utf-8")
    text = former
    for name, present in PRESENT_NAMES.items():
        text = re.sub(rf"(?<=module: ){re.escape(name)}(?=\s|$)", present, text)
    if text != former:
        with atomic_file(settings) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
