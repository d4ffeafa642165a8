"""The library: raw files → tensors → training → samples → metrics → reports → comparison, without an orchestrator.

Every stage is a package named by the one word that also names its assets, its tests and its folder under `data/`.
A stage imports only stages upstream of it; `pyproject.toml` states the order and `make check` enforces it.
Nothing here imports Dagster: the asset graph over these functions lives in the package `assets`.
"""
