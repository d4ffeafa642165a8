"""Status: whether every asset partition is what the tables, the code and its inputs now ask for, from the files alone.

In: the tables, and the manifests and reports under the data folder. Out: a `Status` for each asset and partition:
fresh, stale (why), missing, failed (why), or an orphan of a table's entry that is gone. Nothing is made or written, and
neither Dagster nor PyTorch is imported.

What a person chooses for a run (steps, width, members and seed of a training; number, seed and weights of samples; the
extractor of a report) is taken from what was made, so that a shorter training is fresh; what the tables decide counts.
"""
