"""Checks: problems of a training or of its scores, as findings with evidence and the change to try.

In: a training's history, settings and details; its newest report, the one before, and the scores along training. Out:
one `Finding` per check. The checks read no file and import neither torch nor Dagster; `stored.py` reads the files.

`check.py` runs the checks and `catalogue.py` lists them. Each check is one file with its threshold and the threshold's
source. `benchmarks/detectors` measures precision and recall of each on made-up curves. docs/checks.md is the page for
users.
"""
