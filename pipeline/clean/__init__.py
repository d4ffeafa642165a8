"""Clean: find files in the data folder that can be removed.

In: the data folder, the tables, and the number of days for which checkpoints are kept. Out: one `Removal` per file or
folder, with its reason, size and age; `ganforge clean` carries them out.

Half-written folders of killed processes, downloads, old checkpoints and orphans can go. Files under `reports/` and
`champion/`, and files that a process has locked, stay. Of finished artefacts only orphans go, and only on request.
"""
