import json
import subprocess
import sys

import pytest

from pipeline.champion import contents
from pipeline.champion.promotion import Exported
from pipeline.checks import stored
from pipeline.cli.__main__ import main
from pipeline.storage.paths import Paths
from tests.pipeline.champion.example_contenders import BAD, GOOD, contender, passed
from tests.pipeline.cli.command import run


@pytest.fixture(autouse=True)
def decisions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_export", lambda *_: Exported(None, None, "not asked for"))
    monkeypatch.setattr(stored, "stored_findings", lambda *_: passed)


def command(*words: str) -> int:
    return run("champion", *words)


def test_promoting_showing_and_rolling_back_print_the_state_of_the_champion(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    contender(paths, "sgd", BAD)
    assert command("promote", "mnist_mlp") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "mnist_mlp: sgd is the first champion: the only configuration with a score, FID 302 ± 19",
        "rank  configuration  FID       decision",
        "1     sgd            302 ± 19  promoted",
    ]
    contender(paths, "adam", GOOD)
    command("promote", "mnist_mlp")
    assert "adam is better than champion 1 (sgd): FID 101.7 ± 5.2" in capsys.readouterr().out
    command("show", "mnist_mlp")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mnist_mlp: version 2, adam, FID 101.7 ± 5.2 (3 members; real images 1, noise 900)"
    assert lines[1].startswith("since 20") and "adam is better than champion 1 (sgd)" in lines[1]
    assert lines[2:] == ["data: official, from mnist; licence CC BY 4.0", str(paths.champion("mnist_mlp") / "0002")]
    command("rollback", "mnist_mlp")
    assert capsys.readouterr().out.startswith("mnist_mlp: version 1, sgd, FID 302 ± 19")
    command("promote", "mnist_mlp", "--optimizer", "adam", "--force")
    assert "adam was promoted by name, without a verdict" in capsys.readouterr().out


def test_json_carries_everything(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    contender(paths, "sgd", BAD)
    contender(paths, "adam", GOOD)
    command("promote", "mnist_mlp", "--json")
    values = json.loads(capsys.readouterr().out)
    assert (values["promoted"], values["version"], values["optimizer"]) == (True, 1, "adam")
    assert [candidate["decision"] for candidate in values["considered"]] == ["promoted", "not judged"]
    command("show", "mnist_mlp", "--json")
    values = json.loads(capsys.readouterr().out)
    assert (values["version"], values["previous"], values["rejected"]) == (1, None, [])
    assert values["card"]["scores"]["fid"]["by_member"] == list(GOOD)
    command("history", "mnist_mlp", "--json")
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["decision"], line["version"], set(line["reports"])) == ("promoted", 1, {"sgd", "adam"})


def test_history_is_a_table_of_all_decisions(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    contender(paths, "adam", GOOD)
    command("promote", "mnist_mlp")
    command("promote", "mnist_mlp")
    capsys.readouterr()
    command("history", "mnist_mlp")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["time", "decision", "version", "configuration", "reason"]
    assert [" not promoted " in line for line in lines] == [False, False, True]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("show nope", "recipe 'nope' does not exist; expected one of: mnist_mlp"),
        ("show mnist_dcgan", "mnist_dcgan: no champion under "),
        ("history mnist_dcgan", "mnist_dcgan: no decision about a champion yet; promote one with: "),
        ("rollback mnist_dcgan", "mnist_dcgan: no champion under "),
        ("promote mnist_dcgan", "mnist_dcgan: no champion yet: no configuration has a report yet; make some with: "),
        ("promote mnist_mlp --force", "promoting without a verdict needs a configuration; name it with --optimizer"),
        ("promote mnist_mlp --optimizer nope", "optimizer configuration 'nope' does not exist; expected one of"),
        ("promote mnist_mlp --optimizer sgd --force", "mnist_mlp sgd: no report, so there is nothing to promote"),
        ("rollback mnist_mlp", "mnist_mlp: nothing to go back to, version 1 replaced no other version"),
        ("rollback mnist_mlp --to 4", "mnist_mlp: version 4 is missing or damaged; there is no other version"),
    ],
)
def test_without_a_champion_one_sentence_names_the_next_step(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    sentence: str,
) -> None:
    contender(paths, "adam", [3.0])
    command("promote", "mnist_mlp")
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["ganforge", "champion", *words.split()])
    code, lines = main(), capsys.readouterr().err.splitlines()
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("ganforge: ") and sentence in lines[0]


def test_showing_the_champion_imports_no_pytorch(paths: Paths) -> None:
    contender(paths, "adam", [3.0])
    command("promote", "mnist_mlp")
    script = (
        "import sys; from pipeline.cli.__main__ import main; sys.argv = ['ganforge', 'champion', 'show', 'mnist_mlp']; "
        "assert main() == 0; print('torch' in sys.modules, 'dagster' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False False"
