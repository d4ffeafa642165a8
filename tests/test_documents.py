"""Every file that a document links to exists."""

import re
from pathlib import Path

import pytest

from pipeline.storage.paths import PROJECT
from tests.prose import plain, sentences

DOCUMENTS = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), PROJECT / "data" / "README.md"]
CURRENT = [path for path in DOCUMENTS if path.name not in ("log.md", "CHANGELOG.md")]  # those two are dated records
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


def test_the_readme_links_to_pictures_and_pages() -> None:
    assert len(LINK.findall((PROJECT / "README.md").read_text(encoding="utf-8"))) >= 5


def test_the_glossary_explains_each_word_in_one_sentence_and_is_linked() -> None:
    rows = re.findall(r"^\| (?!word)([^|]+) \| (.+) \|$", (PROJECT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert 20 <= len(rows) <= 35
    assert [word for word, meaning in rows if len(sentences(plain(meaning))) != 1 or not meaning.endswith(".")] == []
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "docs/glossary.md" in LINK.findall((PROJECT / page).read_text(encoding="utf-8"))
