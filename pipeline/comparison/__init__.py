"""Comparison: the configurations of a recipe, ranked by their newest reports.

In: the report store, and the trainings and samples that the reports are about. Out: `data/comparison/<recipe>/` with
`ranking.parquet`, one row per configuration, best first; `verdicts.parquet`, one row per metric and pair of
configurations; and `comparison.html`, a page with all of it that opens from disk.
"""

CODE_VERSION = "7"
