import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.cli.__main__ import forms_last
from pipeline.cli.reports.selection import NoReportError
from pipeline.reports import store
from pipeline.storage.artefact import make_artefact
from pipeline.storage.paths import Paths
from tests.damage import flip_a_byte
from tests.identities import Named
from tests.pipeline.cli.command import run
from tests.pipeline.manifests import training_details

SETTINGS: dict[str, Any] = {
    "recipe": "mnist_mlp",
    "optimizer": "adam",
    "steps": 100,
    "generator": {"kind": "adam", "learning_rate": 1e-4},
    "discriminator": {"kind": "adam", "learning_rate": 1e-4},
}


def add(
    paths: Paths,
    optimizer: str,
    fids: Sequence[float | None],
    *,
    recipe: str = "mnist_mlp",
    protocol: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    training: str = "t",
    steps: int = 100,
    seed: int = 0,
    pool: str = "",
    metrics: Sequence[str] = ("fid", "inception_score", "spread"),
) -> store.Report:
    shared: dict[str, Any] = {
        "recipe": recipe,
        "optimizer": optimizer,
        "fingerprint": "f",
        "training_fingerprint": training,
    }
    shared |= {"protocol": json.dumps(protocol or {"n": 10}), "settings": json.dumps({**SETTINGS, **(settings or {})})}
    shared |= {
        "members": len(fids),
        "diverged_members": list(fids).count(None),
        "seed": seed,
        "steps": steps,
        "width": 8,
    }
    shared["pool"] = pool
    shared |= {"n_generated": 10, "n_real": 10, "extractor": "classifier", "extractor_sha256": "a" * 64}
    shared |= {"extractor_accuracy": 0.99, "source": "made up", "git_commit": "abc", "device": "CPU"}
    fid = {"metric": "fid", "better": "lower", "floor": 1.0, "ceiling": 900.0}
    classes = {"metric": "inception_score", "better": "higher", "floor": 9.5, "ceiling": 1.2, "note": "of ten classes"}
    spread = {"metric": "spread", "better": "neither"}
    rows = [{**shared, **fid, "member": member, "value": value} for member, value in enumerate(fids)]
    values = [None if value is None else 1000 / value for value in fids]
    rows += [{**shared, **classes, "member": member, "value": value} for member, value in enumerate(values)]
    rows += [{**shared, **spread, "member": member, "value": 0.5} for member in range(len(fids))]
    return store.append(paths.reports(), [row for row in rows if row["metric"] in metrics])


def add_training(paths: Paths, optimizer: str, fingerprint: str, losses: Sequence[float]) -> None:
    columns = ("discriminator_loss_real", "discriminator_loss_generated", "generator_loss", "discriminator_accuracy")
    steps = list(range(100, 100 * len(losses) + 100, 100))

    def fill(folder: Path) -> dict[str, Any]:
        values = {name: list(losses) for name in columns}
        pq.write_table(pa.table({"step": steps, "member": [0] * len(losses), **values}), folder / "history.parquet")
        return training_details(optimizer=optimizer)

    make_artefact(paths.training("mnist_mlp", optimizer), Named(fingerprint), fill)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Any:
    def asked(*words: str) -> str:
        assert run(*forms_last(["reports", *words])) == 0
        return capsys.readouterr().out

    return asked


@pytest.fixture
def three(paths: Paths) -> Paths:
    """Store reports in which sgd is far worse than the other two, and the other two are undecided."""
    add(paths, "adam", [100.0, 120.0, 140.0])
    add(paths, "rmsprop", [130.0, 121.0, 155.0], settings={"generator": {"kind": "rmsprop", "learning_rate": 1e-4}})
    add(paths, "sgd", [800.0, 821.0, 839.0])
    return paths


# ---------------------------------------------------------------------------------------------------------------------
# list, show


def test_the_list_holds_the_newest_report_of_every_configuration(three: Paths, ask: Any) -> None:
    add(three, "sgd", [500.0, 510.0])
    rows = json.loads(ask("list", "--json"))
    assert [(row["optimizer"], row["fid_mean"], row["members"]) for row in rows] == [
        ("adam", 120.0, 3),
        ("rmsprop", pytest.approx(135.333, abs=1e-3), 3),
        ("sgd", 505.0, 2),
    ]


def test_the_list_of_all_holds_every_retraining(three: Paths, ask: Any) -> None:
    add(three, "sgd", [500.0, 510.0])
    assert [row["optimizer"] for row in json.loads(ask("list", "--all", "--json"))].count("sgd") == 2


def test_a_report_is_shown_with_every_score_of_every_member(three: Paths, ask: Any) -> None:
    text = ask("show", "mnist_mlp", "adam")
    (line,) = [line for line in text.splitlines() if line.startswith("fid")]
    assert line.split() == ["fid", "120", "±", "50", "100", "120", "140", "1", "900", "lower"]
    assert "inception_score: of ten classes" in text
    assert "generator.learning_rate" in text


def test_an_older_report_is_shown_by_the_beginning_of_its_id(paths: Paths, ask: Any) -> None:
    first = add(paths, "adam", [100.0, 120.0])
    add(paths, "adam", [50.0, 60.0])
    report = json.loads(ask("show", "--report", first.report_id[:10], "--json"))
    assert report["report_id"] == first.report_id
    assert [member["value"] for member in report["scores"][0]["members"]] == [100.0, 120.0]
    assert report["settings"]["generator"]["kind"] == "adam"


def test_a_recipe_without_configuration_shows_its_ranking(three: Paths, ask: Any) -> None:
    assert ask("show", "mnist_mlp") == ask()


# ---------------------------------------------------------------------------------------------------------------------
# best


def test_the_best_is_named_with_a_verdict_against_each_other(three: Paths, ask: Any) -> None:
    lines = ask("best", "--recipe", "mnist_mlp", "--metric", "fid").splitlines()
    assert lines[0].startswith("mnist_mlp: adam, fid 120 ± 50 (3 members; lower is better; real images 1, noise 900)")
    assert re.split(r"\s{2,}", lines[1].strip()) == [
        *("against rmsprop", "-15.71 (-43.04 to 19.77)", "3 and 3 members"),
        "undecided: about 16 more members would decide",
    ]
    assert lines[2].endswith("adam is better")


def test_a_metric_of_which_higher_is_better_ranks_the_highest_first(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [100.0, 120.0])
    add(paths, "sgd", [50.0, 51.0])  # its Inception Scores here are 1,000 / fid
    answer = json.loads(ask("best", "--recipe", "mnist_mlp", "--metric", "inception_score", "--json"))
    assert (answer["best"], answer["better"]) == ("sgd", "higher")
    assert [row["optimizer"] for row in answer["ranking"]] == ["sgd", "adam"]


def test_without_a_recipe_every_recipe_has_its_best(three: Paths, ask: Any) -> None:
    add(three, "adam", [70.0, 71.0], recipe="mnist_dcgan")
    answer = json.loads(ask("best", "--json"))
    assert [(row["recipe"], row["best"]) for row in answer] == [("mnist_mlp", "adam"), ("mnist_dcgan", "adam")]


def test_a_configuration_without_a_score_is_never_the_best(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [None, None])
    add(paths, "sgd", [800.0, 801.0])
    assert json.loads(ask("best", "--recipe", "mnist_mlp", "--json"))["best"] == "sgd"


def test_a_recipe_is_taken_with_and_without_its_option_and_a_metric_as_tables_call_it(three: Paths, ask: Any) -> None:
    expected = ask("best", "--recipe", "mnist_mlp", "--metric", "inception_score")
    assert ask("best", "mnist_mlp", "--metric", "Inception Score") == expected
    assert ask("history", "--metric", "FID", "mnist_mlp") == ask("history", "--recipe", "mnist_mlp")
    assert ask("show", "mnist_mlp/adam") == ask("show", "mnist_mlp", "adam")


def test_a_configuration_that_no_table_names_is_listed_and_never_the_best(three: Paths, ask: Any) -> None:
    add(three, "retired", [1.0, 2.0])
    assert json.loads(ask("best", "mnist_mlp", "--json"))["best"] == "adam"
    assert ask("best").splitlines()[-1].endswith("(is GANFORGE_OPTIMIZERS set?): mnist_mlp retired")


def test_the_anchors_of_the_best_are_its_real_images_and_its_noise(three: Paths, ask: Any) -> None:
    row = json.loads(ask("best", "mnist_mlp", "--json"))["ranking"][0]
    assert (row["optimizer"], row["mean"], row["real_images"], row["noise"]) == ("adam", 120.0, 1.0, 900.0)


# ---------------------------------------------------------------------------------------------------------------------
# compare


def test_two_configurations_show_the_settings_that_differ_and_only_those(three: Paths, ask: Any) -> None:
    answer = json.loads(ask("compare", "adam", "rmsprop", "--json"))
    assert answer["settings"] == {"generator.kind": {"first": "adam", "second": "rmsprop"}}


def test_two_configurations_show_each_score_with_its_verdict(three: Paths, ask: Any) -> None:
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO(ask("compare", "adam", "sgd", "--csv")))}
    # of geometric means: the cube roots of 100 · 120 · 140 and 800 · 821 · 839
    assert float(rows["fid"]["difference"]) == pytest.approx(1_680_000 ** (1 / 3) - 551_055_200 ** (1 / 3))
    assert rows["fid"]["said"] == "adam is better"
    assert rows["spread"]["verdict"] == ""  # neither more nor less of it is better


def test_two_budgets_of_one_configuration_are_compared_by_their_steps(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [300.0, 320.0, 310.0], steps=100, settings={"steps": 100}, pool="short")
    add(paths, "adam", [100.0, 120.0, 111.0], steps=900, settings={"steps": 900}, pool="long")
    answer = json.loads(ask("compare", "mnist_mlp/adam@100", "mnist_mlp/adam@900", "--json"))
    fid = next(score for score in answer["scores"] if score["metric"] == "fid")
    assert (answer["first"]["steps"], answer["second"]["steps"], fid["said"]) == (100, 900, "adam@900 is better")
    assert answer["unequal"] == "steps 100 and 900"
    assert json.loads(ask("compare", "adam@100", "adam", "--json"))["second"]["steps"] == 900


def test_a_budget_without_a_report_is_named_with_those_there_are(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [300.0, 320.0], steps=100)
    missing = "mnist_mlp adam has no report of 4,500 steps, but of 100; make one with: ganforge materialize mnist_mlp"
    with pytest.raises(NoReportError, match=missing):
        ask("compare", "mnist_mlp/adam@100", "mnist_mlp/adam@4500")
    with pytest.raises(ValueError, match="adam@many: found 'many' after @, expected a number of steps such as @4500"):
        ask("compare", "adam@many", "adam")


def test_reports_are_compared_by_their_ids_without_their_replicates(paths: Paths, ask: Any) -> None:
    old = add(paths, "adam", [300.0, 320.0, 310.0], pool="p")
    new = add(paths, "adam", [290.0, 325.0, 315.0], seed=1, pool="p")
    answer = json.loads(ask("compare", old.report_id[:10], new.report_id, "--json"))
    assert [answer[side]["report_id"] for side in ("first", "second")] == [old.report_id, new.report_id]
    assert [answer[side]["members"] for side in ("first", "second")] == [3, 3]
    fid = next(score for score in answer["scores"] if score["metric"] == "fid")
    assert (fid["paired"], fid["test"]) == (False, "Welch's t")


def test_replicates_of_other_seeds_count_unless_the_newest_report_alone_is_wanted(paths: Paths, ask: Any) -> None:
    for seed in (0, 1):
        add(paths, "adam", [100.0 + seed, 120.0, 111.0], seed=seed, pool="a")
        add(paths, "sgd", [140.0 + seed, 165.0, 148.0], seed=seed, pool="s")
    for words, members in (((), 6), (("--newest",), 3)):
        answer = json.loads(ask("compare", "adam", "sgd", "--json", *words))
        fid = next(score for score in answer["scores"] if score["metric"] == "fid")
        assert (answer["first"]["members"], fid["first_members"], fid["look"]) == (members, members, members - 3 or 1)
    best = json.loads(ask("best", "--recipe", "mnist_mlp", "--json"))
    assert [row["members"] for row in best["ranking"]] == [6, 6]


def test_two_configurations_show_the_curves_of_the_trainings_they_are_about(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [100.0, 120.0], training="a")
    add(paths, "sgd", [100.0, 120.0], training="b")
    add_training(paths, "adam", "a", [1.0, 0.5, 0.25])
    add_training(paths, "sgd", "trained again", [1.0, 1.0, 1.0])
    lines = ask("compare", "adam", "sgd").splitlines()
    (line,) = [line for line in lines if line.startswith("G loss") and "adam" in line]
    assert line.split() == ["G", "loss", "adam", "█▃▁", "1", "to", "0.25"]
    assert lines[-1] == "no curves of sgd: the training that its report is about is not in the data folder"


def test_a_damaged_history_costs_the_curves_of_its_side_alone(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [100.0, 120.0], training="a")
    add(paths, "sgd", [100.0, 120.0], training="b")
    add_training(paths, "adam", "a", [1.0, 0.5, 0.25])
    add_training(paths, "sgd", "b", [1.0, 1.0, 1.0])
    flip_a_byte(paths.training("mnist_mlp", "sgd") / "history.parquet")
    lines = ask("compare", "adam", "sgd").splitlines()
    assert any(line.startswith("fid") and "undecided" in line for line in lines)
    assert [line.split()[2:4] for line in lines if line.startswith("G loss")] == [["adam", "█▃▁"], ["sgd", "-"]]
    (why,) = [line for line in lines if line.startswith("no curves of ")]
    assert why.startswith("no curves of sgd: ") and "history.parquet: damaged" in why
    assert list(json.loads(ask("compare", "adam", "sgd", "--json"))["no_curves"]) == ["sgd"]


def test_the_curves_of_both_can_be_drawn(paths: Paths, ask: Any, tmp_path: Path) -> None:
    add(paths, "adam", [100.0, 120.0], training="a")
    add(paths, "sgd", [100.0, 120.0])
    add_training(paths, "adam", "a", [1.0, 0.5, 0.25])
    ask("compare", "adam", "sgd", "--curves", str(tmp_path / "curves.png"))
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (900, 520)


def test_both_sides_of_a_comparison_carry_their_own_facts_means_and_intervals(three: Paths, ask: Any) -> None:
    answer = json.loads(ask("compare", "adam", "sgd", "--json"))
    assert (answer["first"]["optimizer"], answer["second"]["optimizer"]) == ("adam", "sgd")
    (fid,) = [row for row in answer["scores"] if row["metric"] == "fid"]
    # Student's t(0.975, 2) = 4.302653; deviations 20 and 19.55335
    assert (fid["first"], fid["first_half_width"]) == (120.0, pytest.approx(4.302653 * 20 / 3**0.5, rel=1e-6))
    assert (fid["second"], fid["second_half_width"]) == (820.0, pytest.approx(4.302653 * 19.519 / 3**0.5, rel=1e-3))


def test_a_metric_that_one_side_lacks_is_shown_without_a_verdict(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [100.0, 120.0])
    add(paths, "sgd", [100.0, 120.0], metrics=("fid", "spread"))
    rows = {row["metric"]: row for row in json.loads(ask("compare", "sgd", "adam", "--json"))["scores"]}
    assert (rows["inception_score"]["first"], "verdict" in rows["inception_score"]) == (None, False)


def test_configurations_of_two_recipes_need_the_name_of_the_recipe(three: Paths) -> None:
    for optimizer in ("adam", "sgd"):
        add(three, optimizer, [10.0, 11.0], recipe="mnist_dcgan")
    with pytest.raises(ValueError, match="several recipes; name one with --recipe: mnist_mlp, mnist_dcgan"):
        run("reports", "compare", "adam", "sgd")


def test_configurations_of_two_recipes_can_be_compared(three: Paths, ask: Any) -> None:
    add(three, "adam", [10.0, 11.0, 12.5], recipe="mnist_dcgan")
    text = ask("compare", "mnist_mlp/adam", "mnist_dcgan/adam")
    (line,) = [line for line in text.splitlines() if line.startswith("fid")]
    assert line.endswith("mnist_dcgan/adam is better")


def test_unequal_trainings_are_compared_with_a_caveat(three: Paths, ask: Any) -> None:
    caveat = "unequal trainings (steps 100 and 400): a difference may come from these instead of the configurations"
    assert caveat not in ask("compare", "adam", "sgd")
    add(three, "sgd", [10.0, 11.0, 12.5], steps=400)
    assert caveat in ask("compare", "adam", "sgd").splitlines()
    assert json.loads(ask("compare", "adam", "sgd", "--json"))["unequal"] == "steps 100 and 400"


# ---------------------------------------------------------------------------------------------------------------------
# history, query, compact


def test_the_history_is_a_metric_over_retrainings_oldest_first(paths: Paths, ask: Any) -> None:
    for fid in (300.0, 200.0, 100.0):
        add(paths, "adam", [fid, fid + 10])
    add(paths, "sgd", [1.0, 2.0])
    answer = json.loads(ask("history", "--recipe", "mnist_mlp", "--optimizer", "adam", "--metric", "fid", "--json"))
    assert [row["mean"] for row in answer] == [305.0, 205.0, 105.0]
    assert len(json.loads(ask("history", "--json"))) == 4


def test_a_query_prints_its_rows_in_three_forms(three: Paths, ask: Any) -> None:
    sql = "select optimizer, max(value) as worst from reports where metric = 'fid' group by optimizer order by worst"
    assert ask("query", sql).splitlines()[0].split() == ["optimizer", "worst"]
    assert ask("query", sql).splitlines()[-1] == "(3 rows)"
    assert json.loads(ask("query", sql, "--json"))[0] == {"optimizer": "adam", "worst": 140.0}
    assert ask("query", sql, "--csv").splitlines()[-1] == "sgd,839.0"


def test_columns_of_one_name_keep_their_values(three: Paths, ask: Any) -> None:
    assert json.loads(ask("query", "select 1 a, 2 a, 3 a_2", "--json")) == [{"a": 1, "a_3": 2, "a_2": 3}]


def test_a_query_without_rows_still_names_its_columns(three: Paths, ask: Any) -> None:
    assert ask("query", "select optimizer, value from reports where false", "--csv") == "optimizer,value\n"
    assert ask("query", "select optimizer from reports where false").splitlines() == ["optimizer", "(0 rows)"]


def test_lists_are_json_in_a_csv_cell(three: Paths, ask: Any) -> None:
    (row,) = csv.DictReader(io.StringIO(ask("query", "select [1, 2] as pair, null as nothing", "--csv")))
    assert (json.loads(row["pair"]), row["nothing"]) == ([1, 2], "")


def test_a_history_leaves_out_reports_without_the_metric(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [100.0, 120.0], metrics=("fid",))
    add(paths, "adam", [100.0, 120.0])
    assert len(json.loads(ask("history", "--metric", "inception_score", "--json"))) == 1


def test_the_forms_may_stand_before_the_command_and_without_one(three: Paths, ask: Any) -> None:
    assert json.loads(ask("--json"))[0]["optimizer"] == "adam"
    assert ask("--csv", "list") == ask("list", "--csv")


def test_a_score_worse_than_noise_is_named(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [950.0, 960.0])  # noise scores 900; its Inception Score of 1.05 is below noise's 1.2
    assert "worse than noise by: fid, inception_score" in ask("show", "mnist_mlp", "adam")


def test_a_score_that_is_defined_for_no_member_is_none_and_not_diverged(paths: Paths, ask: Any) -> None:
    add(paths, "adam", [None, None])
    add(paths, "sgd", [100.0, None])
    assert "diverged" in next(line for line in ask("list").splitlines() if " adam " in line)
    row: dict[str, Any] = {
        "recipe": "mnist_mlp",
        "optimizer": "sgd",
        "metric": "fid",
        "better": "lower",
        "protocol": "{}",
    }
    row |= {"members": 1, "diverged_members": 0, "steps": 1, "n_generated": 1, "seed": 0, "member": 0, "value": None}
    store.append(paths.reports(), [row])
    assert next(line for line in ask("history").splitlines()[::-1] if " sgd " in line).endswith("none")


def test_a_query_reads_the_settings_in_their_json(three: Paths, ask: Any) -> None:
    sql = "select optimizer, settings->>'$.generator.kind' as kind from runs order by optimizer"
    assert [row["kind"] for row in json.loads(ask("query", sql, "--json"))] == ["adam", "rmsprop", "adam"]


def test_compacting_changes_no_answer(three: Paths, ask: Any) -> None:
    for fid in (700.0, 600.0):
        add(three, "sgd", [fid, fid + 1, fid + 3])
    before = [ask("history", "--csv"), ask("best"), ask("list", "--all", "--json")]
    assert ask("compact").startswith("merged 2 reports")
    assert [ask("history", "--csv"), ask("best"), ask("list", "--all", "--json")] == before


# ---------------------------------------------------------------------------------------------------------------------
# Mistakes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "mnist"], "recipe 'mnist' does not exist; expected one of: mnist_mlp"),
        (["show", "mnist_dcgan"], r"no report of mnist_dcgan under .* ganforge materialize mnist_dcgan"),
        (["show", "mnist_mlp", "adamm"], "optimizer configuration 'adamm' does not exist; expected one of: adam, "),
        (["show", "mnist_mlp", "adam_ttur"], "ganforge materialize mnist_mlp --optimizer adam_ttur"),
        (["show", "--report", "zzz"], "zzz"),
        (["best", "--metric", "fdi"], "metric 'fdi' does not exist; expected one of: fid, inception_score, spread"),
        (["best", "--metric", "spread"], "metric 'spread' has no better end; expected one of: fid, inception_score"),
        (["compare", "adam", "adam"], "found adam twice"),
        (
            ["compare", "adam", "adamm"],
            "adam has reports in mnist_mlp; adamm has reports in no recipe; expected one recipe",
        ),
        (["compare", "adam", "sgd", "--curves", "x.gif"], "expected the name of a .png"),
        (["compare", "adam", "sgd", "--curves", "x.png"], "neither has training curves"),
        (["history", "--metric", "fdi"], "metric 'fdi' does not exist"),
        (["history", "--optimizer", "adamm"], "'adamm' has no report; those with one: adam, rmsprop, sgd"),
        (["query", "selec 1"], "selec"),
        (["query", "select fidd from reports"], "fidd"),
        (["query", "select * from report"], "reports, history, runs, schema"),
        (["query", "drop view reports"], "SELECT"),
        (["page", "mnist_mlpp"], "recipe 'mnist_mlpp' does not exist"),
    ],
)
def test_a_mistake_is_one_sentence(three: Paths, words: list[str], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as mistake:
        run("reports", *words)
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize(
    "words",
    [[], ["list"], ["show"], ["best"], ["compare", "a", "b"], ["history"], ["query", "select 1"], ["compact"]],
)
def test_the_message_on_an_empty_store_names_the_way_to_fill_it(paths: Paths, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no report under .* yet; make some with: ganforge materialize mnist_mlp"):
        run("reports", *words)


def test_scores_measured_differently_are_not_compared(paths: Paths) -> None:
    add(paths, "adam", [100.0, 120.0])
    add(paths, "sgd", [100.0, 120.0], protocol={"n": 20})
    with pytest.raises(ValueError, match="scores of adam and sgd cannot be compared: n 10 and 20"):
        run("reports", "compare", "adam", "sgd")


@pytest.mark.parametrize("command", ["", "list", "show", "best", "compare", "history", "query", "page", "compact"])
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reports", *command.split(), "--help") == 0
    page = capsys.readouterr().out
    assert re.search(rf"^(example:|   ) +ganforge reports ?{command}", page, re.MULTILINE), page
