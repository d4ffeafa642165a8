"""Clean: what can go: what killed processes left, checkpoints that nothing goes on from, and orphans.

In: the data folder, the tables, and how long checkpoints are kept. Out: a `Removal` each, which says what, why, how
large and how old, and can be carried out. Never anything under `reports/` or `champion/`; never what a process holds;
of finished artefacts only orphans, where asked for.
"""
