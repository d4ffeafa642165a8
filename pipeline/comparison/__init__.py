"""Comparison: the configurations of a recipe beside each other, ranked by their newest reports.

In: the report store. Out: `data/comparison/<recipe>/ranking.parquet`, one row a configuration, best first, and
`verdicts.parquet`, one row a pair of configurations and metric.
"""

CODE_VERSION = "3"
