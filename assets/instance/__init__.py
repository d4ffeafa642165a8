"""Instance: the Dagster instance on this machine: its folder, databases, processes and stored events.

`home.py` makes it, `ui.py` serves it, `launcher.py` and `dead_runs.py` look after the processes of runs,
`event_log_retention.py` keeps it small. `dagster.yaml` and `workspace.yaml` here are the templates of its settings.
"""
