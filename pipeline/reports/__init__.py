"""Reports: the scores of every partition, kept for good.

In: the samples of a partition, and the data set's classifier and reference features.
Out: one Parquet file per materialization under `data/reports/recipe=…/optimizer=…/`, with one row per member and score,
never overwritten; older reports are merged into few files. `score.py` computes the rows, `store.py` stores and reads
them. The scores along the newest training lie under `data/scores_by_step/` (`by_step.py`).
"""

CODE_VERSION = "3"
