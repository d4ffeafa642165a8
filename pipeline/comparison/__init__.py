"""Comparison: the configurations of a recipe, ranked by the scores of all their replicates.

In: the report store, and the trainings and samples that the reports are about. Out: `data/comparison/<recipe>/` with
`ranking.parquet`, one row per configuration, best first; `verdicts.parquet`, one row per metric and pair, first for the
pairs of the best configuration and then for all pairs; and `comparison.html`, a page with all of it.
"""

CODE_VERSION = "7"
