"""Plain words: the rules for docstrings, comments, messages, names of tests and Markdown, as pure functions on text.

    python -m tests.prose PATH...     # `path:line: rule: text` for each violation, then counts per 1,000 words

In: source files, documents and the comparison page. Out: `Violation`s, and counts of words that are right at times.
`tests/test_prose.py` applies these rules to the repository.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

LONGEST_SENTENCE = 30  # words; aim at 25
LONG_SENTENCE = 25  # words; longer sentences are counted
LONGEST_LINE = 100  # characters of a line of Markdown that does not hold exactly one sentence
TESTS = Path(__file__).resolve().parent
SUFFIXES = (".py", ".toml", ".yaml", ".md", ".js", ".css", ".j2")  # of files that have prose
FEWEST_WORDS = 4  # of a docstring's first sentence, and of a string that users may read
LONGEST_TEST_NAME = 90  # characters

# A first sentence that opens so is a fragment: it needs the name of the function to mean anything.
FRAGMENT = re.compile(
    r"(?:Of|As|The same|Such|Whose|Whom|Whether|Both of|What|Whatever|That|Those|Not those|Nowhere|All of it|"
    r"All of them|Where|How(?! many| much| often| long| far))(?<![.,;])\b|Both[.,;]"
)
NOUNS = (
    r"(?:member|partition|row|image|step|recipe|configuration|stage|class|report|day|run|metric|kind|column|line|second|"
    r"minute|sentence|batch|call|interval|sweep|process|seed|score|file|picture|stack|layer|device|replicate|check|"
    r"core|thread|request|promotion|pair|feature|network|sample|tick|schedule|sensor|evaluation|dimension|array|page|"
    r"weight|cell|epoch|process|pixel|channel|recipe|data set|training|checkpoint|partition|inch|year|week|month|hour)"
)
NUMBER = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|\d+)"
BETWEEN = r"(?!of\b|for\b|in\b|on\b|by\b|at\b|to\b|as\b|is\b|has\b|from\b|with\b|than\b|per\b|and\b|or\b|if\b|but\b)"
PHRASES = {
    "headless what": r"\bwhat (?:is|are|was|were)\b|[:;,—] what\b(?! to\b)|\AWhat\b(?! to\b)(?!.*\?\Z)|\bWhatever\b",
    "that which": r"\b(?:that|those) which\b",
    "postponed subject": (
        r"\A(?!(?:Need|Speed|Seed|Feed|Embed)\b)(?:[A-Z][a-z]+ed|Drawn|Kept|Shown|Left|Made|Read|Written|Seen|Known|"
        r"Built|Given|Taken|Chosen|Sent|Told|Found|Held|Lost|Meant)"
        r"(?: (?:out|over|off|up|again|here|there))? (?:is|are)\b"
    ),
    "code does not speak": r"\b(?:is|are|was|were|be|been|being) (?:told|asked|said|meant)\b|\bit says\b|\bsays so\b",
    "nobody": r"\bnobody\b",
    "meanwhile": r"\bmeanwhile\b",
    "go on: continue": r"\b(?:go|goes|going|went|gone) on\b(?! the\b| a\b| top\b| to\b| being\b)",
    "unlike: different": r"\bunlike\b(?! the\b| an?\b| in\b| its\b| this\b| that\b| our\b| PyTorch| Dagster| CODE)",
    "as it is": (
        r"\bas (?:it|they) (?:last )?(?:is|are|was|were|stands?)\b"
        r"(?! (?:now )?(?:\w+ed|\w+ing|\w+en|made|read|kept|built|sent|put|set|drawn|found|held|left)\b)"
    ),
    "a for per": (
        rf"(?i:\b{NUMBER} {BETWEEN}\w+ an? {NOUNS}\b"
        rf"|\b{NUMBER} {BETWEEN}\w+ (?:bytes|files|images|layers|lines|members|rows|steps|values) an? {NOUNS}\b"
        rf"|\ban? {BETWEEN}\w+ an? {NOUNS}\b"
        rf"|\b(?:once|twice|seconds?|images|steps|minutes|hours|rows|files|times|bytes|layers|numbers|lines|ms|s|MB|GB)"
        rf" an? {NOUNS}\b)"
    ),
    "others as a predicate": r"\b(?:is|are|was|were) (?:an)?others?\b(?= ?(?:[.,:;]|\Z| than\b))|\bbecomes? another\b|"
    r"\bother than they\b",
    "be it": r"[,;] be (?:it|they|he|one|others|that|this)\b",
    "where for if": r"\b(?:[Rr]aise|[Rr]eturn|[Tt]rue|[Ff]alse|[Ss]top) where\b",
    "clause without a main clause": r"; how (?:many|much|often)\b",
    "who for which": r"\b(?:decides?|knows?|names?|shows?|says?) who\b",
    "the very": r"\bthe very (?!first\b|last\b|same\b)",
}
BANNED = {rule: re.compile(pattern) for rule, pattern in PHRASES.items()}

# Words that a test's name needs at no time: the code under test does not speak, and a subject is a noun.
NOT_IN_TEST_NAMES = frozenset(
    ("what", "whatever", "whose", "whom", "nobody", "said", "says", "told", "tells", "asked", "unlike", "meanwhile")
)

# Words that are right at times: at most so many per 1,000 words of docstrings and comments.
CEILINGS = {
    "what": 0.3,
    "told|tells|said|says": 0.1,
    "ask|asks|asked|meant": 0.1,
    "whatever": 0.1,
    "whose|whom": 0.4,
    "nothing": 0.5,
}

CODE = re.compile(r"``[^`]+``|`[^`\n]*(?:\n[^`\n]*)?`")
URL = re.compile(r"\b(?:https?://|arXiv:?\s)\S+")
SHAPE = re.compile(r"\((?:[A-Z0-9·×*+/\-\s]{1,8}(?:,\s*|\)))+")
WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:['’-][A-Za-zÀ-ÿ]+)*")
ABBREVIATION = re.compile(r"(?:\be\.g|\bi\.e|\bet al|\bvs|\bcf|\bapprox|\bca|\bEq|\bFig|\bNo|\bresp|\b[A-Z])\.\Z")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]*]*\s+(?=[\"'“‘(\[*`]*[A-Za-zÀ-ÿ0-9])")
COLUMNS = re.compile(r"\S {3,}\S")  # a row of a table without rules
LIST_ITEM = re.compile(r"\A\s*(?:[-*•] |\d+[.)] )")
FLOW = re.compile(r"(?:\*\*)?(?:In|Out|Source|Sources)(?:\*\*)?:")  # lines of a module's head that list formats


class Violation(NamedTuple):
    """One sentence or line that breaks a rule."""

    line: int
    rule: str
    text: str


class Unit(NamedTuple):
    """A paragraph or an item of a list, with the line on which it starts."""

    line: int
    text: str


# ---------------------------------------------------------------------------------------------------------------------
# Sentences


def plain(text: str) -> str:
    """Return the text with code, links and shapes replaced by one word each, so that only prose is left."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return SHAPE.sub("", URL.sub("", CODE.sub("CODE", text)))


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences. A period after an abbreviation or an initial ends none."""
    joined = " ".join(text.split())
    parts, start = [], 0
    for end in SENTENCE_END.finditer(joined):
        if not ABBREVIATION.search(joined[: end.start()]):
            parts.append(joined[start : end.start()])
            start = end.end()
    return [part for part in [*parts, joined[start:]] if part]


def count_words(text: str) -> int:
    """Return the number of words, where code counts as one word and numbers as none."""
    return len(WORD.findall(plain(text)))


def check_phrases(text: str, line: int = 1) -> list[Violation]:
    """Return the banned phrases in a paragraph, sentence by sentence."""
    return [
        Violation(line, rule, sentence)
        for sentence in sentences(plain(text))
        for rule, pattern in BANNED.items()
        if pattern.search(sentence)
    ]


def check_length(text: str, line: int = 1) -> list[Violation]:
    """Return the sentences with more than `LONGEST_SENTENCE` words; lines that list formats are exempt."""
    if FLOW.match(text):
        return []
    return [
        Violation(line, f"{count_words(sentence)} words", sentence)
        for sentence in sentences(plain(text))
        if count_words(sentence) > LONGEST_SENTENCE
    ]


def check_opening(text: str, line: int = 1) -> list[Violation]:
    """Return the first sentence of a docstring if it is a fragment; a bare shape, such as `(N, D) float64`, is none."""
    if re.match(r"`?\(", text):
        return []
    first = next(iter(sentences(plain(text))), "")
    if FRAGMENT.match(first) or len(WORD.findall(first)) < FEWEST_WORDS:
        return [Violation(line, "fragment", first)]
    return []


def check_prose(text: str, line: int = 1) -> list[Violation]:
    """Return the banned phrases and the long sentences of a text of one or more paragraphs."""
    return [
        violation
        for unit in paragraphs(text, line)
        for check in (check_phrases, check_length)
        for violation in check(unit.text, unit.line)
    ]


def check_docstring(text: str, line: int = 1) -> list[Violation]:
    """Return all that is wrong with a docstring: a fragment, banned phrases, long sentences."""
    return check_opening(text.split("\n\n")[0], line) + check_prose(text, line)


def check_test_name(name: str, line: int = 1) -> list[Violation]:
    """Return that a test's name is too long, or the words in it that are no plain English for code."""
    words = name.split("_")
    rules = sorted(NOT_IN_TEST_NAMES & set(words))
    rules += ["go on: continue"] if re.search(r"_go(?:es|ing)?_on(?:_|\Z)", name) else []
    rules += [f"{len(name)} characters"] if len(name) > LONGEST_TEST_NAME else []
    return [Violation(line, rule, name) for rule in rules]


def paragraphs(text: str, line: int = 1) -> list[Unit]:
    """Split a text at blank lines and items of lists; indented lines and tables are code and left out."""
    units: list[Unit] = []
    open_unit = False
    for number, row in enumerate(text.split("\n"), line):
        if not row.strip() or re.match(r" {4}|\s*(?:\||```|>>>)", row) or COLUMNS.search(row):
            open_unit = False
        elif open_unit and not LIST_ITEM.match(row) and not FLOW.match(row):
            units[-1] = Unit(units[-1].line, f"{units[-1].text}\n{row}")
        else:
            units.append(Unit(number, LIST_ITEM.sub("", row)))
            open_unit = True
    return units


# ---------------------------------------------------------------------------------------------------------------------
# Source code


class Python(NamedTuple):
    """The texts of a Python source. Users read its messages, colleagues read all of them."""

    docstrings: list[Unit]
    comments: list[Unit]
    messages: list[Unit]
    strings: list[Unit]  # long enough for a message: a value is often built before the call that shows it
    test_names: list[Unit]


@cache
def read_python(source: str) -> Python:
    """Return the docstrings, comments, messages, strings and names of tests of a source."""
    nodes = list(ast.walk(ast.parse(source)))
    return Python(
        docstrings(nodes), comments(source) if "#" in source else [], messages(nodes), strings(nodes), test_names(nodes)
    )


def docstrings(nodes: Iterable[ast.AST]) -> list[Unit]:
    """Return the docstrings of modules, classes and functions, and the strings below constants and fields."""
    units = []
    for node in nodes:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            units += [
                Unit(statement.lineno, cleandoc(statement.value.value))
                for statement in body
                if isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ]
    return sorted(units)


def comments(source: str) -> list[Unit]:
    """Return the comments of a Python source; comments on lines below each other are one."""
    units: list[Unit] = []
    last = (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not (text := _comment_text(token.string)):
            continue
        is_whole_line = token.line.lstrip().startswith("#")
        if is_whole_line and units and (token.start[0] - 1, token.start[1]) == last:
            units[-1] = Unit(units[-1].line, f"{units[-1].text}\n{text}")
        else:
            units.append(Unit(token.start[0], text))
        last = token.start if is_whole_line else (0, 0)
    return units


def toml_comments(source: str) -> list[Unit]:
    """Return the comments of a TOML or YAML source, one per block; lines that show an entry are code.

    A comment after a value and a value of `description` are texts of their own.
    """
    units: list[Unit] = []
    open_block = False
    for number, row in enumerate(source.splitlines(), 1):
        comment = re.match(r"\s*#(.*)", row)
        text = comment[1].removeprefix(" ") if comment else ""
        if not comment:
            entry = re.fullmatch(r"""(?:[^"'#]|"[^"]*"|'[^']*')*?(?:#(.*))?""", row)
            described = re.match(r'\s*description\s*[=:]\s*"([^"]*)"', row)
            units += [Unit(number, part[1].strip()) for part in (described, entry) if part and part[1]]
        if not text.strip() or re.match(r"\s*(?:\[|\w+\s*=|\w*\s{2,})", text):
            open_block = False
        elif open_block:
            units[-1] = Unit(units[-1].line, f"{units[-1].text}\n{text}")
        else:
            units.append(Unit(number, text))
            open_block = True
    return units


def script_comments(source: str) -> list[Unit]:
    """Return the comments of a script or a style sheet: `/* … */`, and `//` at the start or the end of a line."""
    units = []
    for match in re.finditer(r"/\*+(.*?)\*/|(?:^|[;,{})\]])[ \t]*//(.*?)$", source, re.DOTALL | re.MULTILINE):
        first, _, rest = (match[1] or match[2] or "").partition("\n")
        starred = re.sub(r"^\s*\*(?: |$)", "", rest, flags=re.MULTILINE)
        rows = dedent(rest) if starred == rest else starred
        text = re.sub(r"^  +", "    ", f"{first.strip()}\n{rows}", flags=re.MULTILINE).strip()
        units.append(Unit(source.count("\n", 0, match.start()) + 1, re.sub(r"@\w+ ?(?:\{[^}]*\})?", "CODE", text)))
    return units


def script_strings(source: str) -> list[Unit]:
    """Return the strings of a script that are long enough for a message, with each value as the word CODE."""
    code = re.sub(r"/\*.*?\*/|(?:^|(?<=[;,{})\]\s]))//[^\n]*", _newlines, source, flags=re.DOTALL | re.MULTILINE)
    texts = re.finditer(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', code)
    units = [
        Unit(code.count("\n", 0, text.start()) + 1, re.sub(r"\$\{[^}]*\}", "CODE", text[1] or text[2] or ""))
        for text in texts
    ]
    return [unit for unit in units if len(WORD.findall(unit.text)) >= FEWEST_WORDS]


def template_texts(source: str) -> list[Unit]:
    """Return the texts between the tags of an HTML template; expressions are code, statements are left out."""
    source = re.sub(r"<(script|style)\b.*?</\1>|\{#.*?#\}", _newlines, source, flags=re.DOTALL)
    source = re.sub(r"\{%.*?%\}", _newlines, re.sub(r"\{\{.*?\}\}", "CODE", source), flags=re.DOTALL)
    source = re.sub(r"</?(?:b|code|em|i|span|strong|a)\b[^>]*>", "", source)
    texts = re.finditer(r"[^<>]+(?=<|\Z)", re.sub(r"<[^>]*>", lambda tag: f"<{_newlines(tag)}>", source))
    return [Unit(source.count("\n", 0, text.start()) + 1, text[0].strip()) for text in texts if WORD.search(text[0])]


def _newlines(match: re.Match[str]) -> str:
    """Return only the line breaks of a match, so that the lines after it keep their numbers."""
    return "\n" * match[0].count("\n")


def _comment_text(comment: str) -> str:
    """Return the words of a comment; rules, directives to tools and the shebang have none."""
    text = comment.lstrip("#: ").rstrip()
    return "" if re.match(r"-{5,}|noqa|type:|!|pragma|mypy:|fmt:|%%", text) else text


def messages(nodes: Iterable[ast.AST]) -> list[Unit]:
    """Return the texts that a user may read: of exceptions, log lines, `print` and the help of commands."""
    units = []
    for node in nodes:
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            units += [_string(argument) for argument in node.exc.args]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("debug", "info", "warning", "error", "exception", "critical", "print"):
                units += [_string(argument) for argument in node.args]
            units += [_string(word.value) for word in node.keywords if word.arg in ("help", "description", "epilog")]
    return [unit for unit in units if unit.text]


def strings(nodes: Iterable[ast.AST]) -> list[Unit]:
    """Return the strings of at least `FEWEST_WORDS` words that are no docstrings."""
    nodes = list(nodes)
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    parts |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        _string(node) for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts
    ]
    return [text for text in texts if len(WORD.findall(text.text)) >= FEWEST_WORDS]


def test_names(nodes: Iterable[ast.AST]) -> list[Unit]:
    """Return the names of test functions."""
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [Unit(function.lineno, function.name) for function in functions if function.name.startswith("test_")]


def _string(node: ast.expr) -> Unit:
    """Return a string or an f-string as a text in which each value is the word CODE."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    words = [part.value if isinstance(part, ast.Constant) else "CODE" for part in parts]
    is_text = any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts)
    return Unit(node.lineno, "".join(map(str, words)) if is_text else "")


def check_python(source: str, *, every_string: bool = False) -> list[Violation]:
    """Return the violations in docstrings, comments, messages and names of tests of a Python source.

    With `every_string` a string of some length counts as a message wherever it stands; the strings of tests are data.
    """
    texts = read_python(source)
    violations = [violation for unit in texts.docstrings for violation in check_docstring(unit.text, unit.line)]
    violations += [violation for unit in texts.comments for violation in check_prose(unit.text, unit.line)]
    shown = {*texts.messages, *(texts.strings if every_string else [])}
    violations += [violation for unit in shown for violation in check_phrases(unit.text, unit.line)]
    violations += [violation for unit in texts.test_names for violation in check_test_name(unit.text, unit.line)]
    return sorted(violations)


# ---------------------------------------------------------------------------------------------------------------------
# Markdown


def check_markdown(source: str, *, quotes: bool = False) -> list[Violation]:
    """Return long lines, banned phrases and long sentences; code is exempt, and quotations where `quotes` is true."""
    violations = [
        Violation(number, f"{len(row)} characters", row)
        for number, row in prose_lines(source)
        if len(row) > LONGEST_LINE and not _may_be_long(row)
    ]
    for unit in markdown_units(source):
        text = re.sub(r"[\"“][^\"”]*[\"”]", "CODE", unit.text) if quotes else unit.text
        is_table = text.startswith("|")
        parts = text.strip("|").split("|") if is_table else [text]
        violations += [violation for part in parts for violation in check_phrases(part.strip(), unit.line)]
        violations += [] if is_table or quotes else check_length(text, unit.line)
    return sorted(violations)


def prose_lines(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside code blocks and HTML comments, with their numbers."""
    fenced = False
    for number, row in enumerate(source.splitlines(), 1):
        if row.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not row.startswith("<!--"):
            yield number, row


def markdown_units(source: str) -> list[Unit]:
    """Return paragraphs, headings, items of lists and rows of tables."""
    units: list[Unit] = []
    last = -1
    for number, row in prose_lines(source):
        starts = row.startswith(("|", "#")) or LIST_ITEM.match(row) or number != last + 1
        if not row.strip():
            last = -1
            continue
        if starts or not units or units[-1].text.startswith(("|", "#")):
            units.append(Unit(number, LIST_ITEM.sub("", row)))
        else:
            units[-1] = Unit(units[-1].line, f"{units[-1].text}\n{row}")
        last = number
    return units


def _may_be_long(row: str) -> bool:
    """True for a row of a table, a link or picture alone, and a line that holds exactly one sentence."""
    text = LIST_ITEM.sub("", row).strip()
    if text.startswith("|") or re.fullmatch(r"!?\[[^\]]*\]\([^)]*\)[.:]?", text):
        return True
    return len(sentences(plain(text))) == 1 and bool(re.match(r"[*_`\[(]*[A-ZÀ-Þ0-9`]", text) and text[-1] in ".:?!*)")


# ---------------------------------------------------------------------------------------------------------------------
# Counts and files


class Counts(NamedTuple):
    """Words of docstrings and comments, occurrences of each ceiling's words, and long sentences."""

    words: int
    occurrences: dict[str, int]
    long_sentences: int

    def per_thousand(self, ceiling: str) -> float:
        """Return the occurrences of a ceiling's words per 1,000 words."""
        return 1000 * self.occurrences[ceiling] / max(1, self.words)


def count(texts: Iterable[str]) -> Counts:
    """Count words, the words under a ceiling, and sentences of more than `LONG_SENTENCE` words."""
    units = [unit.text for text in texts for unit in paragraphs(text)]
    prose = [plain(text).lower() for text in units]
    occurrences = {words: sum(len(re.findall(rf"\b(?:{words})\b", text)) for text in prose) for words in CEILINGS}
    long = [part for text in units for part in sentences(text) if count_words(part) > LONG_SENTENCE]
    return Counts(sum(len(WORD.findall(text)) for text in prose), occurrences, len(long))


def texts_of_python(source: str) -> list[str]:
    """Return the docstrings and comments of a Python source."""
    texts = read_python(source)
    return [unit.text for unit in (*texts.docstrings, *texts.comments)]


def check_file(path: Path) -> list[Violation]:
    """Return the violations in a file of any kind that has prose."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return check_markdown(source, quotes=path.name == "log.md")
    if path.suffix == ".py":
        return check_python(source, every_string=TESTS not in path.resolve().parents)
    if path.suffix == ".j2":
        return [violation for unit in template_texts(source) for violation in check_phrases(unit.text, unit.line)]
    read_comments = toml_comments if path.suffix in (".toml", ".yaml") else script_comments
    shown = script_strings(source) if path.suffix == ".js" else []
    violations = [violation for unit in read_comments(source) for violation in check_prose(unit.text, unit.line)]
    return violations + [violation for unit in shown for violation in check_phrases(unit.text, unit.line)]


def files_under(path: Path) -> list[Path]:
    """Return a file, or the files with prose under a folder, without data and environments."""
    if path.is_file():
        return [path]
    files = [file for file in path.rglob("*") if file.suffix in SUFFIXES]
    return sorted(file for file in files if not {".venv", "build", "site-packages"} & set(file.parts))


def main(words: Sequence[str]) -> int:
    """Print each violation in the files and folders named, and counts; return 1 if there is a violation."""
    files = [file for word in words for file in files_under(Path(word))]
    total = 0
    for file in files:
        violations = check_file(file)
        total += len(violations)
        for line, rule, text in violations:
            print(f"{file}:{line}: {rule}: {text[:160]}")
    counts = count(
        text for file in files if file.suffix == ".py" for text in texts_of_python(file.read_text(encoding="utf-8"))
    )
    print(
        f"{total} violations; {counts.words:,} words of docstrings and comments, {counts.long_sentences} sentences of "
        f"more than {LONG_SENTENCE} words"
    )
    for name, ceiling in CEILINGS.items():
        print(f"  {name}: {counts.per_thousand(name):.2f} per 1,000 words, at most {ceiling}")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
