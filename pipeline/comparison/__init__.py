"""Comparison: the configurations of a recipe beside each other, ranked by their newest reports.

In: the report store, and the trainings and samples behind it. Out: `data/comparison/<recipe>/ranking.parquet`, one row
a configuration, best first; `verdicts.parquet`, one row a pair of configurations and metric; and `comparison.html`, all
of it as one page that opens from disk.
"""

CODE_VERSION = "6"
