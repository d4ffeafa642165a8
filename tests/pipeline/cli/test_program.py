"""The command line itself: typed values, sentences on mistakes, help pages and the shells' completion."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from assets import cli
from pipeline import settings
from pipeline.cli import options
from pipeline.cli.__main__ import COMMANDS
from pipeline.cli.options import ChainOptions, TrainingOptions
from pipeline.storage.paths import PROJECT
from pipeline.training.engine import ranks


def command_line(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ganforge", *words])
    return cli.main()


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The arguments with which chains would be made."""
    from assets import run

    calls: list[tuple[object, ...]] = []

    def record(*arguments: object) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr(run, "materialize_chain", record)
    return calls


@pytest.mark.parametrize(
    "words",
    [
        "--optimizer adam sgd",
        "--optimizer adam --optimizer sgd",
        "--optimizer=adam --optimizer=sgd",
        "--optimizer adam --seed 0 --optimizer sgd",
        "--optimizer adam,sgd",
    ],
)
def test_several_configurations_follow_one_option_or_each_an_option_of_its_own(
    monkeypatch: pytest.MonkeyPatch, chain: list[tuple[object, ...]], words: str
) -> None:
    assert command_line(monkeypatch, "materialize", "mnist_mlp", *words.split()) == 0
    assert chain == [("mnist_mlp", ["adam", "sgd"], ChainOptions())]


def test_options_arrive_as_typed_values_and_the_last_of_two_counts(
    monkeypatch: pytest.MonkeyPatch, chain: list[tuple[object, ...]]
) -> None:
    words = "materialize mnist_mlp --steps full --members 3 --seed 1 --seed 2 --weights raw --thorough"
    assert command_line(monkeypatch, *words.split()) == 0
    command_line(monkeypatch, *["materialize", "--steps", "20", "mnist_mlp"])
    assert chain == [
        ("mnist_mlp", None, ChainOptions(steps="full", members=3, seed=2, weights="raw", thorough=True)),
        ("mnist_mlp", None, ChainOptions(steps=20)),
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("materialise mnist_mlp", "command 'materialise' does not exist; expected one of: materialize, reproduce, "),
        ("materialise mnist_mlp", "; did you mean materialize?"),
        ("reports lst", "command 'lst' does not exist; expected one of: list, show, best"),
        ("champion shw", "; did you mean show?"),
        ("materialize mnist_mlp --memebrs 3", "option '--memebrs' does not exist; expected one of: --optimizer, --st"),
        ("materialize mnist_mlp --memebrs 3", "; did you mean --members?"),
        ("materialize mnist_mlp --no-force", "option '--no-force' does not exist"),
        ("materialize", "RECIPE: found nothing, expected one; see ganforge materialize --help"),
        ("champion show", "RECIPE: found nothing, expected one; see ganforge champion show --help"),
        ("export mnist_mlp", "-o: found nothing, expected one; see ganforge export --help"),
        ("materialize mnist_mlp --seed", "--seed: found no value, expected one; see ganforge materialize --help"),
        ("materialize mnist_mlp --optimizer", "--optimizer: found no value, expected one; see ganforge materialize"),
        ("sample mnist_mlp adam", "found 'adam' after the last argument, expected nothing more; see ganforge sample"),
        ("materialize mnist_mlp --members 0", "--members: found '0', expected a whole number of at least 1"),
        ("materialize mnist_mlp --members 2.5", "--members: found '2.5', expected a whole number of at least 1"),
        ("materialize mnist_mlp --members two", "--members: found 'two', expected a whole number of at least 1"),
        ("materialize mnist_mlp --samples 9", "--samples: found '9', expected a whole number of at least 10"),
        ("materialize mnist_mlp --seed -1", "--seed: found '-1', expected a whole number of at least 0"),
        ("materialize mnist_mlp --steps many", "--steps: found 'many', expected a whole number of at least 1, or 'ful"),
        ("materialize mnist_mlp --steps 0", "--steps: found '0', expected a whole number of at least 1, or 'full'"),
        ("materialize mnist_mlp --steps 1e3", "--steps: found '1e3', expected a whole number of at least 1, or 'ful"),
        ("materialize mnist_mlp --weights mean", "--weights: found 'mean', expected one of: raw, average"),
        ("materialize mnist_mlp --force=perhaps", "--force: found 'perhaps', expected no value"),
        ("materialize mnist_mlp --optimizer ,", "--optimizer: found no configuration in ',', expected one or more"),
        ("train mnist_mlp --optimizer ,", "--optimizer: found no configuration in ',', expected one or more"),
        ("sample mnist_mlp -n 0", "-n: found '0', expected a whole number of at least 1"),
        ("sample mnist_mlp --columns 0", "--columns: found '0', expected a whole number of at least 1"),
        ("sample mnist_mlp --seed -3", "--seed: found '-3', expected a whole number of at least 0"),
        ("export mnist_mlp -o a.png -n 0", "-n: found '0', expected a whole number of at least 1"),
        ("score --features a.npy a.npy --k 0", "--k: found '0', expected a whole number of at least 1"),
        ("score --logits a.npy --probabilities a.npy", "found --probabilities and --logits, expected one of them"),
        ("reports list --json --csv", "found --json and --csv, expected one of them"),
        ("completion tcsh", "SHELL: found 'tcsh', expected one of: bash, zsh, fish"),
        ("ui --port x", "--port: found 'x', expected a whole number of at least 1"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, sentence: str
) -> None:
    assert command_line(monkeypatch, *words.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ganforge: ")
    assert printed.err.count("\n") == 1
    assert sentence in printed.err


@pytest.mark.parametrize("words", [[], ["champion"]])
def test_a_program_without_a_command_prints_its_help_and_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert command_line(monkeypatch, *words) == 2
    assert "Commands:\n" in capsys.readouterr().out
    assert command_line(monkeypatch, *words, "--help") == 0


def test_ctrl_c_is_one_sentence_and_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ranks, "join_ranks", interrupt)
    assert command_line(monkeypatch, "train", "mnist_mlp", "--optimizer", "adam") == 130
    assert capsys.readouterr().err == "ganforge: interrupted; finished work is kept\n"


def test_training_takes_several_configurations_with_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.cli import train

    resolved = train._resolved("mnist_mlp", ["adam", "sgd"], TrainingOptions(steps=5, members=2))
    assert [(settings.optimizer, settings.steps, settings.members) for settings in resolved] == [
        ("adam", 5, 2),
        ("sgd", 5, 2),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Help


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_list_of_commands_has_the_first_sentence_of_each_help_page(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name].path.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    text = inspect.getdoc(command) if inspect.isfunction(command) else command.help
    assert text is not None
    assert text.startswith(cli.COMMANDS[name].summary)


@pytest.mark.parametrize("name", ["", *cli.COMMANDS, "reports list", "champion promote"])
def test_a_help_page_is_plain_text_of_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert command_line(monkeypatch, *name.split(), "--help") == 0
    page = capsys.readouterr().out
    assert page.startswith(f"usage: ganforge {name}".rstrip())
    prose = [line for line in page.splitlines() if not line.strip().startswith(("example: ", "ganforge "))]
    assert [line for line in prose if len(line) > 80] == []
    assert not set(page) & set("\x1b`│╭╰─")
    assert page.isascii()


def test_the_commands_without_dagster_are_a_program_of_their_own(paths: object, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli"]
    page = subprocess.run([*command, "--help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {name} " in page for name in COMMANDS)
    assert "materialize" not in page
    mistaken = subprocess.run([*command, "train"], cwd=PROJECT, capture_output=True, text=True)
    assert (mistaken.returncode, mistaken.stderr.count("\n")) == (1, 1)
    assert mistaken.stderr.startswith("ganforge: no recipe named; expected one of: mnist_mlp")


def test_a_help_page_imports_neither_the_stages_nor_dagster() -> None:
    program = (
        "import json, sys; from assets import cli; sys.argv = ['ganforge', '--help']; cli.main(); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert "cyclopts" in modules
    assert not modules & {"torch", "dagster", "numpy", "pyarrow", "pydantic", "duckdb"}


def test_the_command_line_and_the_tables_require_equally_many_samples() -> None:
    assert options.LEAST_SAMPLES == settings.LEAST_SAMPLES


# ---------------------------------------------------------------------------------------------------------------------
# Completion


def completion(shell: str) -> str:
    """Return a shell's script, written by a new process because that resolves every command of the program."""
    command = [sys.executable, "-m", "assets.cli", "completion", shell]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_knows_commands_and_options(shell: str) -> None:
    script = completion(shell)
    assert all(word in script for word in (*cli.COMMANDS, "rollback", "optimizer", "skip-unreadable"))


def test_bash_completes_commands_options_and_values(tmp_path: Path) -> None:
    (tmp_path / "ganforge.bash").write_text(completion("bash"), encoding="utf-8")
    for words, expected in (
        ("materialize mnist_mlp --mem", "--members"),
        ("rep", "reports"),
        ("champion roll", "rollback"),
        ("sample mnist_mlp --weights ", "average"),
    ):
        script = f"""source {tmp_path}/ganforge.bash
            words=(ganforge {words}{' ""' if words.endswith(" ") else ""})
            COMP_WORDS=("${{words[@]}}") COMP_CWORD=$((${{#words[@]}} - 1)) COMP_LINE="${{words[*]}}"
            COMP_POINT=${{#COMP_LINE}}
            "$(complete -p ganforge | sed 's/.*-F \\([^ ]*\\).*/\\1/')" ganforge "${{words[-1]}}" "${{words[-2]}}"
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert done.stderr == ""
        assert expected in [line.strip() for line in done.stdout.splitlines()]
