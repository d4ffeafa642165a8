"""Checks: what may be wrong with a training or with its scores, as findings with evidence and the change to try.

In: a training's history, settings and details; its newest report, the one before, and the scores along training. Out:
`Finding`s, one a check. Nothing here reads a file or imports torch or Dagster.

`check.py` judges, `catalogue.py` lists; one file a detector, each with its threshold and where it comes from. `zoo/`
holds made-up curves of healthy and sick trainings, on which precision and recall of each detector are measured;
docs/checks.md is the page for users.
"""
