"""One command of the program, run inside the test's process."""

from pipeline.cli.__main__ import COMMANDS
from pipeline.cli.program import build_program


def run(*words: object) -> int:
    """Return the exit code; a mistake in the command line or in the data is raised and not printed."""
    texts = [str(word) for word in words]
    program = build_program("ganforge", "All commands.", COMMANDS, texts)
    code = program(texts, exit_on_error=False, print_error=False, result_action="return_value")
    return code or 0
