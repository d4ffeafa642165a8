"""Command line: typed functions over the stages, and the program that runs one of them.

In: the words that a person typed. Out: text, JSON or files, and an exit code: 0 done, 1 a mistake in the data or the
tables, 2 a mistake in the command itself, 130 interrupted, 141 the reader of the output has gone.

`__main__.py` lists the commands that need no Dagster (`python -m pipeline.cli`); `assets/cli.py` adds those that do.
One file per command. A command's parameters carry their types, checks and help texts; its docstring is its help page.
`program.py` builds and runs the program. `mistakes.py` words the mistakes in a command line. `help.py` lays out help
pages. `options.py` holds the types and groups of options that several commands share.
"""
