"""Orchestration: what the stages' assets share, and what makes them without a person.

Partitions, run config and tags; how results, checks and provenance reach Dagster (`publishing.py`, `checks.py`); what
runs by itself (`operations.py`, `schedules.py`, `sensors.py`, `automation.py`, `alerts.py`); runs as processes
(`launcher.py`, `abandoned.py`); the instance (`home.py`, `databases.py`, `ui.py`) and what is kept of it. What belongs
to one stage's assets stands in that stage's module instead.
"""
