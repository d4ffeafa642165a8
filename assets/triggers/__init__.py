"""Triggers: everything that starts by itself, and how people hear of it.

Schedules and sensors request runs; alerts report failures. `operations.py` holds their settings, read once from
`assets/operations.toml` and the user's own file.
"""
