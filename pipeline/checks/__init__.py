"""Checks: what may be wrong with a training or with its scores, as findings with evidence and the change to try.

In: a training's history, settings and details; its newest report, the one before, and the scores along training. Out:
`Finding`s, one a check. Nothing here reads a file or imports torch or Dagster.

`check.py` runs the checks and `catalogue.py` lists them; each check is one file with its threshold and the threshold's
source. `benchmarks/detectors` measures precision and recall of each on made-up curves; docs/checks.md is the page for
users.
"""
