"""Command line: thin commands over the stages. Those that need Dagster are added by `assets.cli`."""
