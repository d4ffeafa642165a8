import subprocess
import sys

import pytest

from pipeline.champion import contents
from pipeline.champion.decisions import read_decisions
from pipeline.champion.promotion import Exported
from pipeline.champion.rollback import rollback
from pipeline.champion.versions import DamagedChampionError, current_champion, require_champion
from pipeline.storage.paths import Paths
from tests.pipeline.champion.example_contenders import BAD, GOOD, contender, decide, drawn, report, trained

BETTER_STILL = (20.0, 25.0, 20.0)


@pytest.fixture(autouse=True)
def no_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_export", lambda *_: Exported(None, None, "not asked for"))


@pytest.fixture
def two(paths: Paths) -> None:
    """Champion 1 is sgd, champion 2 adam."""
    contender(paths, "sgd", BAD)
    decide(paths)
    contender(paths, "adam", GOOD)
    decide(paths)


def champion_now(paths: Paths) -> tuple[int, str]:
    champion = require_champion("mnist_mlp", paths)
    return champion.version, champion.optimizer


@pytest.mark.usefixtures("two")
def test_rolling_back_makes_the_version_before_champion_and_the_other_is_not_promoted_again(paths: Paths) -> None:
    assert champion_now(paths) == (2, "adam")
    rollback("mnist_mlp", paths)
    assert champion_now(paths) == (1, "sgd")
    outcome = decide(paths)
    assert not outcome.promoted
    assert outcome.reason == (
        "champion 1 (sgd) stays: adam is better, but this training was rolled back from and is not promoted again "
        "automatically"
    )
    assert [decision.decision for decision in read_decisions("mnist_mlp", paths)] == [
        "promoted",
        "promoted",
        "rolled back",
        "not promoted",
    ]


def test_averaged_weights_may_be_promoted_after_a_rollback_from_the_raw_ones(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    decide(paths)
    training = trained(paths, "adam", average=True)
    report(paths, training, drawn(paths, training, "raw"), GOOD)
    assert decide(paths).promoted
    rollback("mnist_mlp", paths)
    assert require_champion("mnist_mlp", paths).pointer.rejected == (
        training.fingerprint,
    )  # as older versions wrote it
    assert not decide(paths).promoted
    report(paths, training, drawn(paths, training, "average"), BETTER_STILL)
    outcome = decide(paths)
    assert outcome.champion is not None
    assert (outcome.promoted, outcome.champion.weights) == (True, "average")
    rollback("mnist_mlp", paths)
    assert not decide(paths).promoted  # now the average is rejected too


@pytest.mark.usefixtures("two")
def test_another_training_of_a_configuration_rolled_back_from_may_be_promoted(paths: Paths) -> None:
    rollback("mnist_mlp", paths)
    contender(paths, "adam", GOOD, seed=5)
    assert decide(paths).promoted
    assert champion_now(paths) == (3, "adam")
    rollback("mnist_mlp", paths)  # to the champion before it, not to the version with the number before
    assert champion_now(paths) == (1, "sgd")


@pytest.mark.usefixtures("two")
def test_name_and_force_promote_a_version_rolled_back_from_without_a_copy(paths: Paths) -> None:
    rollback("mnist_mlp", paths)
    assert decide(paths, only="adam", force=True).promoted
    assert champion_now(paths) == (2, "adam")
    assert require_champion("mnist_mlp", paths).pointer.rejected == ()


@pytest.mark.usefixtures("two")
def test_versions_skipped_on_the_way_back_are_rejected_too(paths: Paths) -> None:
    contender(paths, "rmsprop", BETTER_STILL)
    decide(paths)
    assert champion_now(paths) == (3, "rmsprop")
    rollback("mnist_mlp", paths, to=1)
    assert not decide(paths).promoted
    rollback("mnist_mlp", paths, to=2)  # forward again: it is not rejected any more
    assert champion_now(paths) == (2, "adam")
    assert "mnist_mlp adam seed 0" not in require_champion("mnist_mlp", paths).pointer.rejected


def test_a_rollback_without_an_earlier_version_is_one_sentence(paths: Paths) -> None:
    with pytest.raises(FileNotFoundError, match="promote one with: ganforge champion promote mnist_mlp"):
        rollback("mnist_mlp", paths)
    contender(paths, "sgd", BAD)
    decide(paths)
    with pytest.raises(ValueError, match="version 1 replaced no other version; there is no other version"):
        rollback("mnist_mlp", paths)
    contender(paths, "adam", GOOD)
    decide(paths)
    with pytest.raises(ValueError, match="version 7 is missing or damaged; name one with --to: 1"):
        rollback("mnist_mlp", paths, to=7)
    with pytest.raises(ValueError, match="version 2 is the champion already"):
        rollback("mnist_mlp", paths, to=2)
    rollback("mnist_mlp", paths)
    with pytest.raises(ValueError, match="version 1 replaced no other version; name one with --to: 2"):
        rollback("mnist_mlp", paths)


def damage(paths: Paths, version: str) -> None:
    (paths.champion("mnist_mlp") / version / "generator.safetensors").write_bytes(b"no weights")


@pytest.mark.usefixtures("two")
def test_a_damaged_champion_is_one_sentence_and_going_back_does_not_reject_its_training(paths: Paths) -> None:
    damage(paths, "0002")
    with pytest.raises(DamagedChampionError, match=r"0002: the champion's files are not .* rollback mnist_mlp"):
        decide(paths)
    rollback("mnist_mlp", paths)
    assert champion_now(paths) == (1, "sgd")
    assert decide(paths).promoted
    assert champion_now(paths) == (3, "adam")


@pytest.mark.usefixtures("two")
def test_where_the_champion_and_the_one_before_are_damaged_an_intact_version_is_named(paths: Paths) -> None:
    contender(paths, "rmsprop", BETTER_STILL)
    decide(paths)
    damage(paths, "0003")
    with pytest.raises(DamagedChampionError, match=r"rollback mnist_mlp$"):
        current_champion("mnist_mlp", paths)
    damage(paths, "0002")
    with pytest.raises(DamagedChampionError, match=r"rollback mnist_mlp --to 1$"):
        current_champion("mnist_mlp", paths)
    rollback("mnist_mlp", paths, to=1)
    assert champion_now(paths) == (1, "sgd")


@pytest.mark.usefixtures("two")
def test_a_damaged_first_champion_that_was_gone_back_to_names_the_one_to_go_forward_to(paths: Paths) -> None:
    rollback("mnist_mlp", paths)
    damage(paths, "0001")
    with pytest.raises(DamagedChampionError, match=r"rollback mnist_mlp --to 2$"):
        current_champion("mnist_mlp", paths)


def test_the_only_champion_damaged_is_replaced_by_name(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    decide(paths)
    damage(paths, "0001")
    with pytest.raises(DamagedChampionError, match="promote mnist_mlp --optimizer KEY --force"):
        current_champion("mnist_mlp", paths)
    assert decide(paths, only="sgd", force=True).promoted
    assert champion_now(paths) == (2, "sgd")


@pytest.mark.usefixtures("two")
def test_a_damaged_pointer_is_one_sentence_and_a_version_by_number_replaces_it(paths: Paths) -> None:
    (paths.champion("mnist_mlp") / "current.json").write_text("{}")
    for do in (current_champion, rollback):
        with pytest.raises(DamagedChampionError, match=r"current.json: does not name a champion .* --to N"):
            do("mnist_mlp", paths)
    rollback("mnist_mlp", paths, to=1)
    assert champion_now(paths) == (1, "sgd")


@pytest.mark.slow
def test_two_processes_at_once_promote_once(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    script = (
        "from pathlib import Path; from pipeline.champion.promote import promote; "
        "from pipeline.storage.paths import Paths; "
        f"promote('mnist_mlp', ['adam'], Paths(Path({str(paths.root)!r})), run_checks=lambda _: [])"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert [decision.decision for decision in read_decisions("mnist_mlp", paths)] == ["promoted", "not promoted"]
    assert champion_now(paths) == (1, "adam")


def test_more_members_do_not_bring_back_weights_that_were_rolled_back_from(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    decide(paths)
    contender(paths, "adam", GOOD, pool="adam")
    assert decide(paths).promoted
    rollback("mnist_mlp", paths)
    training = trained(paths, "adam", len(GOOD) + 1, seed=7)  # another fingerprint, as more members give
    report(paths, training, drawn(paths, training), [*GOOD, GOOD[0] + 1], pool="adam")
    outcome = decide(paths)
    assert not outcome.promoted
    assert "rolled back from" in outcome.reason
