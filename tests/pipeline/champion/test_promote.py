import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.champion import appointment, contents
from pipeline.champion.challenge import challenge
from pipeline.champion.decisions import read_decisions
from pipeline.champion.promote import _reports_of
from pipeline.champion.promotion import Exported
from pipeline.champion.versions import current_champion, require_champion
from pipeline.checks.stored import stored_findings
from pipeline.comparison.ranking import compare
from pipeline.reports import store
from pipeline.storage.artefact import is_intact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.training.kinds_of_weights import default_weights
from tests.damage import flip_a_byte, record_again
from tests.pipeline.champion.example_contenders import BAD, GOOD, contender, decide, drawn, failed, report, trained


@pytest.fixture(autouse=True)
def no_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no ONNX files: decisions are tested here, and files in test_contents.py."""
    monkeypatch.setattr(contents, "_export", lambda *_: Exported(None, None, "not asked for"))


def kept(paths: Paths) -> list[tuple[int | None, str]]:
    return [(decision.version, decision.decision) for decision in read_decisions("mnist_mlp", paths)]


def test_the_best_ranked_is_the_first_champion(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    contender(paths, "adam", GOOD)
    outcome = decide(paths)
    assert outcome.champion is not None
    assert (outcome.promoted, outcome.champion.version, outcome.champion.optimizer) == (True, 1, "adam")
    assert outcome.reason == "adam is the first champion: the best of 2 configurations, FID 101.7 ± 5.2"
    assert [(decision.rank, decision.optimizer, decision.decision) for decision in outcome.decisions] == [
        (1, "adam", "promoted"),
        (2, "sgd", "not judged"),
    ]
    assert kept(paths) == [(1, "promoted")]


def test_without_reports_or_scores_there_is_no_champion_and_the_reason_names_the_next_step(paths: Paths) -> None:
    outcome = decide(paths)
    assert (outcome.promoted, outcome.champion, outcome.decisions) == (False, None, [])
    made_with = "ganforge materialize mnist_mlp"
    assert outcome.reason == f"no champion yet: no configuration has a report yet; make some with: {made_with}"
    contender(paths, "sgd", [None, None])
    assert decide(paths).reason == "no champion yet: no configuration has a score by fid: every member diverged"
    assert current_champion("mnist_mlp", paths) is None


def test_the_same_champion_again_writes_nothing(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    first = decide(paths).champion
    again = decide(paths)
    assert (again.promoted, again.champion) == (False, first)
    assert again.reason == "champion 1 (adam) stays: no other configuration has comparable scores"
    before = sorted(paths.champion("mnist_mlp").iterdir())
    decide(paths)
    assert sorted(paths.champion("mnist_mlp").iterdir()) == before
    assert kept(paths) == [(1, "promoted"), (1, "not promoted")]  # a refusal is recorded once


def test_a_significantly_better_configuration_is_promoted(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    decide(paths)
    contender(paths, "adam", GOOD)
    outcome = decide(paths)
    champion = require_champion("mnist_mlp", paths)
    assert (outcome.promoted, champion.version, champion.optimizer, champion.pointer.previous) == (True, 2, "adam", 1)
    assert outcome.reason == (
        "adam is better than champion 1 (sgd): FID 101.7 ± 5.2, difference -199.9 (-215.4 to -185.2), "
        "p 0.0001099, paired t, 3 against 3 members"
    )
    assert champion.card()["decision"]["replaced"]["optimizer"] == "sgd"
    assert champion.card()["decision"]["verdict"]["verdict"] == "better"
    assert (paths.champion("mnist_mlp") / "0001").is_dir()


@pytest.mark.parametrize(
    ("fids", "said"),
    [
        ((290.0, 320.0, 280.0), "undecided: about "),  # lower mean, and chance alone could make it so
        ((400.0, 411.0, 394.0), "adam: worse"),
        ((100.0,), "needs at least 2 members with a score of each"),
    ],
)
def test_a_configuration_that_is_not_significantly_better_is_not_promoted(
    paths: Paths, fids: tuple[float, ...], said: str
) -> None:
    contender(paths, "sgd", BAD)
    decide(paths)
    contender(paths, "adam", fids)
    outcome = decide(paths)
    assert not outcome.promoted
    assert outcome.reason.startswith("champion 1 (sgd) stays: no configuration is significantly better (adam: ")
    assert said in outcome.reason
    assert require_champion("mnist_mlp", paths).optimizer == "sgd"


def test_of_several_that_are_better_the_best_ranked_is_promoted(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    decide(paths)
    contender(paths, "rmsprop", [200.0, 211.0, 194.0])
    contender(paths, "adam", GOOD)
    assert decide(paths).champion is not None
    assert require_champion("mnist_mlp", paths).optimizer == "adam"


def test_the_family_of_comparisons_corrects_the_verdict_on_the_champion(paths: Paths) -> None:
    """p of the one pair would do alone at the first look; with a second challenger it does not."""
    contender(paths, "sgd", [300.0, 310.0, 295.0])
    decide(paths)
    contender(paths, "adam", [240.0, 262.0, 233.0])
    assert decide(paths, only="rmsprop").reason.endswith(
        "rmsprop has no score yet; make a report with: ganforge materialize mnist_mlp --optimizer rmsprop"
    )
    contender(paths, "rmsprop", [270.0, 330.0, 355.0])
    outcome = decide(paths)
    (adam,) = [decision for decision in outcome.decisions if decision.optimizer == "adam"]
    assert adam.verdict is not None and adam.verdict.p is not None and adam.verdict.corrected_p is not None
    assert (adam.verdict.p < 0.025, adam.verdict.corrected_p > 0.05, outcome.promoted) == (True, True, False)


def test_one_that_failed_a_check_is_refused_and_the_next_best_takes_its_place(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    contender(paths, "sgd", BAD)
    outcome = decide(paths, run_checks=failed("adam"))
    assert require_champion("mnist_mlp", paths).optimizer == "sgd"
    assert [decision.decision for decision in outcome.decisions] == [
        "failed mode_drop: 3 of 10 classes are missing",
        "promoted",
    ]
    refused = decide(paths, run_checks=failed("adam"))
    assert refused.reason == (
        "champion 1 (sgd) stays: adam is better, but failed mode_drop: 3 of 10 classes are missing"
    )
    assert decide(paths, run_checks=failed("adam", severity="warn")).promoted  # a warning does not stand in the way


def test_a_damaged_history_promotes_no_configuration_and_the_decision_is_kept(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    decide(paths)
    contender(paths, "adam", GOOD)
    history = paths.training("mnist_mlp", "adam") / "history.parquet"
    history.write_bytes(b"steps")
    record_again(history.parent)
    flip_a_byte(history)
    outcome = decide(paths, run_checks=stored_findings("mnist_mlp", paths))
    assert (outcome.promoted, require_champion("mnist_mlp", paths).optimizer) == (False, "sgd")
    assert outcome.reason.startswith(f"champion 1 (sgd) stays: {history}: damaged")
    assert [decision.reason for decision in read_decisions("mnist_mlp", paths)][-1] == outcome.reason


def test_different_protocols_promote_no_configuration_and_the_reason_names_the_next_step(paths: Paths) -> None:
    contender(paths, "sgd", BAD, n_generated=5000)
    decide(paths)
    contender(paths, "adam", GOOD)
    outcome = decide(paths)
    assert not outcome.promoted
    assert outcome.reason == (
        "champion 1 (sgd) stays: the ranked reports were measured differently (n_generated 10 and 5,000); score all "
        "the same way, or promote one without a verdict with: "
        "ganforge champion promote mnist_mlp --optimizer KEY --force"
    )
    assert [decision.decision for decision in outcome.decisions][-1] == "not comparable: n_generated 10 and 5,000"


def test_another_report_about_the_champions_weights_is_judged_where_its_own_cannot_be(paths: Paths) -> None:
    contender(paths, "sgd", BAD, n_generated=5000)
    decide(paths)
    training = read_artefact(paths.training("mnist_mlp", "sgd"))
    samples = read_artefact(paths.samples("mnist_mlp", "sgd"))
    assert training is not None and samples is not None
    report(paths, training, samples, BAD)  # the same weights, scored as the others are now
    contender(paths, "sgd", [50.0, 70.0, 90.0], seed=9)
    contender(paths, "adam", [200.0, 211.0, 194.0])
    outcome = decide(paths)
    assert outcome.promoted
    assert {
        decision.optimizer: decision.verdict.second for decision in outcome.decisions if decision.verdict
    } == dict.fromkeys(("sgd", "adam"), "champion (sgd)")


def test_a_champion_may_be_beaten_after_more_steps_and_the_reason_names_both_budgets(paths: Paths) -> None:
    contender(paths, "sgd", BAD, steps=400)
    decide(paths)
    contender(paths, "sgd", BAD, seed=3, steps=4500)
    contender(paths, "adam", GOOD, steps=4500)
    outcome = decide(paths)
    assert outcome.promoted
    assert outcome.reason.startswith("adam is better than champion 1 (sgd)")
    assert outcome.reason.endswith("; unequal trainings: steps 400 and 4,500")


def test_a_champion_survives_the_retraining_of_its_partition_and_is_judged_by_its_own_report(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    champion = decide(paths).champion
    assert champion is not None
    contender(paths, "adam", BAD, seed=7)  # unlucky
    contender(paths, "sgd", [200.0, 206.0, 201.0])  # better than that, worse than the champion
    outcome = decide(paths)
    assert (outcome.promoted, require_champion("mnist_mlp", paths)) == (False, champion)
    assert is_intact(champion.artefact)
    by_name = {decision.optimizer: decision for decision in outcome.decisions}
    assert by_name["sgd"].verdict is not None
    assert (by_name["sgd"].verdict.second, by_name["sgd"].verdict.verdict) == ("champion (adam)", "worse")
    contender(paths, "adam", [10.0, 17.0, 9.0], seed=8)  # lucky: its own successor
    assert decide(paths).champion is not None
    assert (require_champion("mnist_mlp", paths).version, len(store.history_of(paths.reports()))) == (2, 4)


def test_weights_that_were_trained_again_after_the_report_are_not_promoted(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    trained(paths, "adam", seed=3)
    reason = decide(paths).reason
    assert reason.startswith("no champion yet: ")
    assert "trained again after its newest report, so these weights have no scores yet; materialize " in reason
    assert reason.endswith("mnist_mlp/samples and mnist_mlp/report, partition adam, first")


def test_without_weights_or_samples_no_other_configuration_is_promoted(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    contender(paths, "adam", GOOD)
    (paths.samples("mnist_mlp", "adam") / "manifest.json").unlink()
    assert "found no samples of the present weights; materialize mnist_mlp/samples" in decide(paths).reason
    (paths.training("mnist_mlp", "adam") / "manifest.json").unlink()
    assert "found no trained networks; materialize mnist_mlp/generator" in decide(paths).reason
    assert current_champion("mnist_mlp", paths) is None


def test_weights_with_samples_newer_than_the_report_are_not_promoted(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    manifest = paths.samples("mnist_mlp", "adam") / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"fingerprint": "drawn with another seed"}))
    outcome = decide(paths)
    assert not outcome.promoted
    assert outcome.reason.endswith(
        "generated again after the newest report; materialize mnist_mlp/report, partition adam, first"
    )


def test_damaged_weights_are_not_promoted(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    with (paths.training("mnist_mlp", "adam") / "generator.safetensors").open("ab") as file:
        file.write(b"x")
    reason = decide(paths).reason
    assert "generator.safetensors: damaged, or replaced while it was copied; make it again" in reason
    assert not list(paths.champion("mnist_mlp").glob("*/"))


def test_a_process_that_dies_before_the_rename_leaves_the_champion_that_was(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    contender(paths, "sgd", BAD)
    before = decide(paths).champion
    contender(paths, "adam", GOOD)

    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dies)
        patched.setattr("shutil.rmtree", lambda *_, **__: None)  # a killed process does not tidy up
        with pytest.raises(Killed):
            decide(paths)
    folder = paths.champion("mnist_mlp")
    assert require_champion("mnist_mlp", paths) == before
    (left,) = folder.glob(".*.partial")
    left.with_name(f"{left.name}.lock").touch()
    assert decide(paths).promoted
    assert not [path.name for path in folder.glob(".*.partial*")]


def test_a_process_that_dies_before_the_pointer_is_written_is_made_up_for_without_a_copy(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    contender(paths, "adam", GOOD)
    with monkeypatch.context() as patched:
        patched.setattr(appointment, "write_pointer", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            decide(paths)
    assert current_champion("mnist_mlp", paths) is None
    assert decide(paths).promoted
    assert [path.name for path in paths.champion("mnist_mlp").glob("0*")] == ["0001"]


def test_name_and_force_promote_any_scored_configuration_and_the_reason_names_the_force(paths: Paths) -> None:
    contender(paths, "adam", GOOD)
    decide(paths)
    contender(paths, "sgd", BAD)
    assert decide(paths, only="sgd").reason == "champion 1 (adam) stays: sgd: worse"
    outcome = decide(paths, only="sgd", force=True, run_checks=failed("sgd"))
    assert outcome.reason == "sgd was promoted by name, without a verdict; it failed mode_drop"
    assert outcome.champion is not None
    assert outcome.champion.card()["decision"]["forced"]
    again = decide(paths, only="sgd", force=True)
    assert (again.promoted, again.reason) == (
        False,
        "champion 2 (sgd) stays: this training and report are already promoted",
    )
    rows = [[(decision.optimizer, decision.decision) for decision in said.decisions] for said in (outcome, again)]
    assert rows == [[("adam", "not judged"), ("sgd", said)] for said in ("promoted by name", "is the champion")]


@pytest.mark.parametrize(
    ("only", "sentence"),
    [
        (None, "promoting without a verdict needs a configuration; name it with --optimizer KEY"),
        ("rmsprop", "mnist_mlp rmsprop: no report, so there is nothing to promote"),
        ("sgd", "mnist_mlp sgd: no member with a score by fid, so there is nothing to promote"),
        ("adam", "trained again after its newest report"),
    ],
)
def test_force_cannot_promote_a_missing_configuration(paths: Paths, only: str | None, sentence: str) -> None:
    contender(paths, "sgd", [None, None])
    contender(paths, "adam", GOOD)
    trained(paths, "adam", seed=1)
    with pytest.raises(ValueError, match=sentence):
        decide(paths, only=only, force=True)


def test_findings_are_computed_only_for_candidates_and_stand_on_the_card(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    contender(paths, "adam", GOOD)
    asked: list[str] = []
    good = failed("adam", severity="warn")

    def findings(optimizer: str) -> Any:
        asked.append(optimizer)
        return [replace(finding, summary="few of class 3") for finding in good(optimizer)]

    decide(paths, run_checks=findings)
    assert asked == ["adam"]
    (check,) = require_champion("mnist_mlp", paths).card()["checks"]
    assert (check["check"], check["severity"], check["summary"]) == ("mode_drop", "warn", "few of class 3")


def test_the_log_passes_over_a_line_that_was_left_half_written(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    contender(paths, "adam", GOOD)
    decide(paths)
    with (paths.champion("mnist_mlp") / "decisions.jsonl").open("a") as file:
        file.write('{"decision": "promo')
    decide(paths)
    assert kept(paths) == [(1, "promoted"), (1, "not promoted")]
    assert "line 2: not a decision" in caplog.text
    lines = (paths.champion("mnist_mlp") / "decisions.jsonl").read_text().splitlines()
    assert json.loads(lines[2])["decision"] == "not promoted"


def test_scores_of_the_average_are_not_those_of_a_champion_promoted_with_its_raw_weights(paths: Paths) -> None:
    training = trained(paths, "adam", average=True)
    report(paths, training, drawn(paths, training, "raw"), GOOD)
    champion = decide(paths).champion
    assert champion is not None and champion.weights == "raw"
    report(paths, training, drawn(paths, training, "average"), BAD)
    ranking = compare("mnist_mlp", ["adam"], paths)
    met = challenge(ranking, champion, _reports_of(champion, paths))
    assert met.champion is None  # the report in the ranking is not about the champion's own weights
    assert [report.weights for report in _reports_of(champion, paths)] == ["raw"]


def test_the_promoted_weights_are_the_scored_ones(paths: Paths) -> None:
    contender(paths, "adam", GOOD, average=True)
    champion = decide(paths).champion
    assert champion is not None and champion.weights == "average"
    assert default_weights(champion.artefact) == "average"
    raw = trained(paths, "sgd", average=True)
    report(paths, raw, drawn(paths, raw, "raw"), GOOD)
    forced = decide(paths, only="sgd", force=True).champion
    assert forced is not None and (forced.weights, default_weights(forced.artefact)) == ("raw", "raw")
    assert "of their raw weights" in forced.artefact.path("card.md").read_text()
