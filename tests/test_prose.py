"""Docstrings, comments, messages and Markdown keep the rules of `tests/prose.py`."""

import tomllib
from pathlib import Path

import pytest

from pipeline.storage.paths import PROJECT
from tests import prose

SENTENCES = tomllib.loads((PROJECT / "tests" / "former_sentences.toml").read_text(encoding="utf-8"))["sentence"]
REWRITES = [sentence["plain"] for sentence in SENTENCES]
DOCUMENTS = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), PROJECT / "data" / "README.md"]
FILES = sorted(
    {
        file
        for folder in ("pipeline", "assets", "tests", "benchmarks", "docs")
        for file in prose.files_under(PROJECT / folder)
    }
    | set(DOCUMENTS)
)


def folder_of(file: Path) -> str:
    """Return the stage that a file belongs to, such as `pipeline/raw` or `tests/pipeline/raw`."""
    parts = file.relative_to(PROJECT).parent.parts
    return "/".join(parts[: 3 if parts[:2] == ("tests", "pipeline") else 2]) or "."


FOLDERS = sorted({folder_of(file) for file in FILES})


def violations(folder: str) -> list[str]:
    """Return a folder's violations, each as one line with the place."""
    return [
        f"{file.relative_to(PROJECT)}:{line}: {rule}: {text}"
        for file in FILES
        if folder_of(file) == folder
        for line, rule, text in prose.check_file(file)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_written_in_plain_words(folder: str) -> None:
    assert violations(folder) == []


def test_words_that_are_right_at_times_stay_rare() -> None:
    sources = [file for file in FILES if file.suffix == ".py"]
    counts = prose.count(text for file in sources for text in prose.texts_of_python(file.read_text(encoding="utf-8")))
    per_thousand = {words: counts.per_thousand(words) for words in prose.CEILINGS}
    assert {words: rate for words, rate in per_thousand.items() if rate > prose.CEILINGS[words]} == {}


def test_the_readme_has_at_most_150_lines() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_there_are_25_former_sentences() -> None:
    assert len({sentence["former"] for sentence in SENTENCES}) == 25


@pytest.mark.parametrize("former", [sentence["former"] for sentence in SENTENCES])
def test_a_former_sentence_breaks_a_rule(former: str) -> None:
    assert prose.check_docstring(former) != []


@pytest.mark.parametrize("plain", [plain for plain in REWRITES if not plain.startswith("Whether")])
def test_its_rewrite_breaks_none(plain: str) -> None:
    assert prose.check_docstring(plain) == []


def test_the_one_rewrite_that_opens_with_whether_breaks_no_other_rule() -> None:
    (plain,) = [plain for plain in REWRITES if plain.startswith("Whether")]
    assert prose.check_prose(plain) == []
    assert prose.check_docstring(plain.replace("Whether", "True if", 1)) == []


@pytest.mark.parametrize(
    "opening", ["Of it.", "As the other has it, in bytes.", "The same for one partition.", "Both."]
)
def test_a_docstring_that_leans_on_its_name_is_a_fragment(opening: str) -> None:
    assert [rule for _, rule, _ in prose.check_opening(opening)] == ["fragment"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("There is one row a member.", "a for per"),
        ("One process a run is enough.", "a for per"),
        ("The network has two dense layers a network.", "a for per"),
        ("Each step takes 3 ms a member.", "a for per"),
        ("Networks of unlike width are refused.", "unlike: different"),
        ("The process is told to stop.", "code does not speak"),
        ("The settings stay as they are.", "as it is"),
        ("They are others than before.", "others as a predicate"),
    ],
)
def test_a_turn_of_phrase_is_found(text: str, rule: str) -> None:
    assert [violation.rule for violation in prose.check_phrases(text)] == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "There is one row per member.",
        "Unlike the classifier, this network is not trained.",
        "The images are used as they are read.",
        "A member of a recipe has a seed.",
        "`what is` stays as code.",
    ],
)
def test_plain_sentences_break_no_rule(text: str) -> None:
    assert prose.check_prose(text) == []


def test_code_urls_and_shapes_do_not_count_as_words() -> None:
    assert prose.count_words("Return `a + b` of shape (N, C, H, W), see https://example.org/a/b.") == 5


def test_abbreviations_and_initials_end_no_sentence() -> None:
    assert prose.sentences("See Heusel et al. 2017, e.g. Table 1. It has A. Smith's numbers.") == [
        "See Heusel et al. 2017, e.g. Table 1.",
        "It has A. Smith's numbers.",
    ]


def test_docstrings_comments_and_messages_are_read_and_other_strings_are_not() -> None:
    source = '"""Of it."""\nX = "nobody"  # nobody\nprint(f"{X} meanwhile")\n'
    assert [(line, rule) for line, rule, _ in prose.check_python(source)] == [
        (1, "fragment"),
        (2, "nobody"),
        (3, "meanwhile"),
    ]


def test_strings_that_a_call_shows_later_are_read_on_request() -> None:
    source = 'note = f"nobody has {1 + 1} rows left"\nreturned = Outcome(note, "nobody")\n'
    assert prose.check_python(source) == []
    assert [violation.rule for violation in prose.check_python(source, every_string=True)] == ["nobody"]


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("test_an_error_of_sqlite_is_one_sentence", []),
        ("test_orphans_go_only_where_requested", []),
        ("test_what_sqlite_says_is_one_sentence", ["says", "what"]),
        ("test_a_healthy_member_goes_on", ["go on: continue"]),
        (f"test_{'a' * 86}", ["91 characters"]),
    ],
)
def test_the_name_of_a_test_is_a_plain_sentence(name: str, rules: list[str]) -> None:
    assert [rule for _, rule, _ in prose.check_python(f"def {name}(): ...")] == rules


def test_descriptions_in_tables_and_comments_after_values_are_read() -> None:
    source = """description = "Nobody # reads it"  # it says so\nb = 'it is # told'\nc = ["#fff", 1]  # meanwhile\n"""
    assert [(unit.line, unit.text) for unit in prose.toml_comments(source)] == [
        (1, "Nobody # reads it"),
        (1, "it says so"),
        (3, "meanwhile"),
    ]


def test_strings_of_scripts_with_four_words_are_read() -> None:
    source = 'const note = `nobody has ${rows} rows left`; // "nobody reads this one"\nconst name = "nobody";\n'
    assert [(unit.line, unit.text) for unit in prose.script_strings(source)] == [(1, "nobody has CODE rows left")]
    assert [unit.text for unit in prose.script_comments(source)] == ['"nobody reads this one"']


def test_comments_of_tables_are_read_and_the_entries_shown_in_them_are_not() -> None:
    source = '# Nobody\n# reads it.\n#\n#     nobody = "nobody"\n[a]\nb = 1\n'
    assert [(unit.line, unit.text) for unit in prose.toml_comments(source)] == [(1, "Nobody\nreads it.")]


def test_comments_of_scripts_are_read_and_the_code_shown_in_them_is_not() -> None:
    source = "/** Nobody reads it.\n *\n *     nobody.call() // nobody\n */\nlet nobody = 1;\n// it says so\n"
    units = prose.script_comments(source)
    assert [(unit.line, prose.paragraphs(unit.text)[0].text.strip()) for unit in units] == [
        (1, "Nobody reads it."),
        (6, "it says so"),
    ]
    assert len(prose.paragraphs(units[0].text)) == 1


def test_texts_of_a_template_are_read_and_statements_are_not() -> None:
    source = "<p>\n{% if nobody %}<b>{{ it }}</b> is said\n{% endif %}</p><script>nobody()</script>"
    assert [unit.text for unit in prose.template_texts(source)] == ["CODE is said"]


def test_a_long_line_of_markdown_holds_one_sentence() -> None:
    one = f"This is {'very ' * 20}long."
    assert prose.check_markdown(one) == []
    assert [rule for _, rule, _ in prose.check_markdown(f"{one} It has two.")] == ["125 characters"]


def test_tables_code_and_links_alone_may_be_long() -> None:
    link, cell, code = f"[link]({'a' * 120})", f"| {'cell ' * 30}|", f"```\n{'x' * 120} nobody\n```"
    assert prose.check_markdown(f"{link}\n\n{cell}\n\n{code}\n") == []
