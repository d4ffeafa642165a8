"""Mistakes: one sentence for a command line that cannot be read: found, expected, and the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)


def sentence(error: CycloptsError | ValueError, program: App) -> str:
    """Return the sentence for a mistake in a command line."""
    if isinstance(error, ValueError):
        return str(error)
    command = " ".join((program.name[0], *(error.command_chain or ())))
    match error:
        case UnknownCommandError() | UnusedCliTokensError():
            (word, *_), names = error.unused_tokens or [""], _command_names(error.app or program)
            if names:
                return _does_not_exist("command", word, names)
            return f"found {word!r} after the last argument, expected nothing more; see {command} --help"
        case UnknownOptionError():
            names = [name for argument in error.argument_collection if argument.show for name in argument.names]
            options = [name for name in names if name.startswith("-")]
            word = error.token.keyword or error.token.value
            if options:
                return _does_not_exist("option", word, options)
            return f"option {word!r} does not exist, expected none; see {command} --help"
        case MissingArgumentError() if error.argument is not None:
            value = "no value" if error.keyword else "nothing"
            return f"{error.keyword or error.argument.name}: found {value}, expected one; see {command} --help"
        case CoercionError() | ValidationError() if error.argument is not None:
            return f"{_name(error)}: {_wrong_value(error)}"
    return str(error)


def _command_names(app: App) -> list[str]:
    return [name for name in app if not name.startswith("-")]


def _does_not_exist(what: str, word: str, names: Sequence[str]) -> str:
    similar = difflib.get_close_matches(word, names, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    return f"{what} {word!r} does not exist; expected one of: {', '.join(names)}{hint}"


def _name(error: CoercionError | ValidationError) -> str:
    assert error.argument is not None
    used = [token.keyword for token in error.argument.tokens if token.keyword]
    return used[-1] if used else error.argument.name


def _wrong_value(error: CoercionError | ValidationError) -> str:
    """Return the words of the check that failed, or else which values the parameter takes."""
    assert error.argument is not None
    if isinstance(error, ValidationError):
        return error.exception_message
    choices = error.argument.get_choices()
    if error.msg is not None and not choices:
        return str(error.msg)
    value = error.token.value if error.token is not None else error.argument.tokens[-1].value
    if error.argument.hint is bool:
        return f"found {value!r}, expected no value"
    return f"found {value!r}, expected {'one of: ' + ', '.join(choices) if choices else 'another value'}"
