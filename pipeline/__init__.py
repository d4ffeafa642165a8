"""The library: raw files → tensors → training → samples → metrics → reports → comparison, without an orchestrator.

Every stage is a package named by the one word that also names its assets, its tests and its folder under `data/`.
A stage imports only stages upstream of it; `pyproject.toml` states the order and `make check` enforces it.
Nothing here imports Dagster: the asset graph over these functions lives in the package `assets`.
"""

import os

__version__ = "0.1.0"  # of the package ganforge; pyproject.toml reads it from here

# Matrix products of one member and of many, by any number of threads, then round alike (docs/decisions/0005). MKL reads
# it at its first call. Source: oneMKL developer guide, "Conditional Numerical Reproducibility", strict mode.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
