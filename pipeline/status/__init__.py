"""Status: compare every asset partition with its table entries, code and inputs, from the files alone.

In: the tables, and the manifests and reports under the data folder. Out: a `Status` for each asset and partition:
fresh, stale (why), missing, failed (why), or an orphan of a table's entry that is gone. Nothing is made or written, and
neither Dagster nor PyTorch is imported.

Some values are a person's choice per run: steps, width, members and seed of a training; number, seed and weights of
samples; the extractor of a report. They are read from the artefact, so a shorter training is fresh. The values that the
tables decide are compared.
"""
