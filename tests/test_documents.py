"""Every file that a document links to or that the code names exists."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.storage.paths import PROJECT
from tests.prose import plain, sentences

DOCUMENTS = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), PROJECT / "data" / "README.md"]
CURRENT = [path for path in DOCUMENTS if path.name not in ("log.md", "CHANGELOG.md")]  # those two are dated records
CODE = [
    path
    for folder in ("pipeline", "assets", "tests", "benchmarks", "docs")
    for path in (PROJECT / folder).rglob("*.py")
]
TABLES = [path for folder in (".", "pipeline", "assets") for path in (PROJECT / folder).glob("*.toml")]
NAMED = re.compile(
    r"(?<![\w./-])((?:pipeline|assets|tests|benchmarks|docs)/[\w./-]*\w|(?:\w+/)+\w+\.(?:py|toml|js|j2))\b(?![<{*])"
)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_file_that_a_document_links_to_exists(document: Path) -> None:
    linked = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in linked if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_file_of_the_code_that_a_document_names_exists(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"`((?:pipeline|assets|tests|benchmarks|docs)/[\w./-]+|[\w/]+/\w+\.py)`", text)
    roots = (PROJECT, PROJECT / "pipeline")  # docs/tree.md names modules from there
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_every_file_that_a_docstring_comment_or_table_names_exists() -> None:
    # One test for all files: one per file would take longer to set up than to run.
    missing = [
        f"{source.relative_to(PROJECT)}: {name}"
        for source in [*CODE, *TABLES]
        for name in named_files(source)
        if is_missing(name, source)
    ]
    assert missing == []


def named_files(source: Path) -> Iterator[str]:
    texts = comments_and_docstrings(source) if source.suffix == ".py" else [source.read_text(encoding="utf-8")]
    for text in texts:
        yield from NAMED.findall(text)


def comments_and_docstrings(source: Path) -> Iterator[str]:
    text = source.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    yield from (token.string for token in tokens if token.type == tokenize.COMMENT)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def is_missing(name: str, source: Path) -> bool:
    """Return True if a folder of the project has no such file. Names in other libraries' folders are not checked."""
    roots = [root for root in (PROJECT, PROJECT / "pipeline", source.parent) if (root / name.split("/")[0]).is_dir()]
    if not roots or any((root / name).exists() for root in roots):
        return False
    return not any(list(root.glob(f"{name}*")) for root in roots)  # a decision is named by its number


def test_the_readme_links_to_pictures_and_pages() -> None:
    assert len(LINK.findall((PROJECT / "README.md").read_text(encoding="utf-8"))) >= 5


def test_the_glossary_explains_each_word_in_one_sentence_and_is_linked() -> None:
    rows = re.findall(r"^\| (?!word)([^|]+) \| (.+) \|$", (PROJECT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert 20 <= len(rows) <= 35
    assert [word for word, meaning in rows if len(sentences(plain(meaning))) != 1 or not meaning.endswith(".")] == []
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "docs/glossary.md" in LINK.findall((PROJECT / page).read_text(encoding="utf-8"))
