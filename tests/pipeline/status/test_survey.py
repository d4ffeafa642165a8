import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.comparison.make import make_comparison
from pipeline.metrics.extractors.classifier import train_classifier
from pipeline.metrics.identity import ClassifierSettings
from pipeline.metrics.reference import make_reference
from pipeline.reports.judge import Judge
from pipeline.reports.score import score_partition
from pipeline.samples.generate import generate
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.status.state import FAILED, FRESH, MISSING, ORPHAN, STALE, Status
from pipeline.status.survey import survey
from pipeline.storage.identity import Identity
from pipeline.storage.paths import MANIFEST, PROJECT, Paths
from pipeline.tensors.load import require_tensors
from pipeline.training.train import train
from pipeline.training.trained import require_training
from tests.damage import flip_a_byte

RECIPE = "tiny"
CLASSIFIER = ClassifierSettings(images_seen=600)  # as in conftest.py
OF_DATASET = {"mnist/raw", "mnist/tensors", "mnist/classifier", "mnist/reference"}
OF_ONE = {f"{RECIPE}/{name} one" for name in ("generator", "samples", "report")}
OF_TWO = {f"{RECIPE}/{name} two" for name in ("generator", "samples", "report")}
COMPARED = {f"{RECIPE}/comparison"}
CHAMPION = f"{RECIPE}/champion"  # no configuration is promoted in this chain
EVERYTHING = OF_DATASET | OF_ONE | OF_TWO | COMPARED


def looked_at(paths: Paths, *recipes: str, not_begun: bool = False, verify: bool = False) -> dict[str, Status]:
    """Return the statuses by name."""
    statuses = survey(paths, recipes, not_begun=not_begun, verify=verify).statuses()
    assert len({status.name for status in statuses}) == len(statuses)
    return {status.name: status for status in statuses}


def not_fresh(statuses: dict[str, Status]) -> set[str]:
    return {name for name, status in statuses.items() if status.state != FRESH} - {CHAMPION}


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def test_right_after_it_was_made_everything_is_fresh(chain: Paths) -> None:
    statuses = looked_at(chain)
    assert not_fresh(statuses) == set()
    assert set(statuses) > EVERYTHING
    assert all(not status.reasons and not status.notes for name, status in statuses.items() if name != CHAMPION)
    assert statuses["mnist/tensors"].fingerprint == require_tensors(chain, "mnist").fingerprint


def test_one_edited_rate_makes_exactly_that_partition_and_its_descendants_stale(chain: Paths, tables: Path) -> None:
    edit(tables / "optimizers.toml", "0.0002", "0.0003")
    statuses = looked_at(chain)
    assert not_fresh(statuses) == OF_ONE | COMPARED
    rates = ("discriminator.learning_rate 0.0002 -> 0.0003", "generator.learning_rate 0.0002 -> 0.0003")
    assert statuses[f"{RECIPE}/generator one"].reasons == rates
    assert statuses[f"{RECIPE}/samples one"].reasons == (f"because {RECIPE}/generator one is stale",)
    assert statuses[f"{RECIPE}/report one"].reasons == (f"because {RECIPE}/samples one is stale",)
    assert statuses[f"{RECIPE}/comparison"].reasons == (f"because {RECIPE}/report one is stale",)
    assert {status.state for status in statuses.values()} - {FRESH} == {STALE, MISSING}


def test_a_partition_trained_again_leaves_its_descendants_to_be_made(chain: Paths, tables: Path) -> None:
    edit(tables / "optimizers.toml", "0.0002", "0.0003")
    settings = resolve(load_recipes()[RECIPE], load_optimizers()["one"])
    train([settings], require_tensors(chain, "mnist"), chain)
    statuses = looked_at(chain)
    assert not_fresh(statuses) == OF_ONE - {f"{RECIPE}/generator one"} | COMPARED
    assert statuses[f"{RECIPE}/samples one"].reasons == ("the generator was trained again",)
    generate(require_training(chain, RECIPE, "one"), 20, chain)
    statuses = looked_at(chain)
    assert not_fresh(statuses) == {f"{RECIPE}/report one"} | COMPARED
    assert statuses[f"{RECIPE}/report one"].reasons == ("the samples were generated again",)
    score_partition(RECIPE, "one", Judge.load("mnist", chain), chain)
    statuses = looked_at(chain)
    assert not_fresh(statuses) == COMPARED
    assert {"one has another report", "one was trained again or has new samples"} <= set(
        statuses[f"{RECIPE}/comparison"].reasons
    )


# ---------------------------------------------------------------------------------------------------------------------
# One change each, and exactly the artefacts that are not fresh after it

Change = Callable[[Paths, Path, pytest.MonkeyPatch], None]


def remove(*names: str) -> Change:
    return lambda paths, tables, patch: (paths.root / Path(*names)).unlink()


def in_table(file: str, before: str, after: str) -> Change:
    return lambda paths, tables, patch: edit(tables / file, before, after)


def code_version(module: str, name: str = "CODE_VERSION") -> Change:
    return lambda paths, tables, patch: patch.setattr(f"pipeline.{module}.{name}", "other")


def cut_short(*names: str) -> Change:
    def change(paths: Paths, tables: Path, patch: pytest.MonkeyPatch) -> None:
        path = paths.root / Path(*names)
        path.write_bytes(path.read_bytes()[:-1])

    return change


def draw_anew(paths: Paths, tables: Path, patch: pytest.MonkeyPatch) -> None:
    generate(require_training(paths, RECIPE, "two"), 20, paths, seed=1)


def score_again(paths: Paths, tables: Path, patch: pytest.MonkeyPatch) -> None:
    score_partition(RECIPE, "two", Judge.load("mnist", paths), paths, force=True)


def unname_files(paths: Paths, tables: Path, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("GANFORGE_MNIST")


CHANGES: dict[str, tuple[Change, set[str]]] = {
    "a rate": (in_table("optimizers.toml", "0.0001", "0.01"), OF_TWO | COMPARED),
    "an objective of one configuration": (
        in_table("optimizers.toml", "[two]", '[two]\nloss = "hinge"'),
        OF_TWO | COMPARED,
    ),
    "the recipe's batch": (in_table("recipes.toml", "batch_size = 20", "batch_size = 10"), OF_ONE | OF_TWO | COMPARED),
    "the recipe's words": (in_table("recipes.toml", "Of the tests", "Other words"), COMPARED),
    "a recipe's budget is a person's choice": (in_table("recipes.toml", "\nsteps = 4", "\nsteps = 5"), set()),
    "how many samples is too": (in_table("recipes.toml", "samples = 20", "samples = 30"), set()),
    "another configuration": (
        in_table("optimizers.toml", "[two]", '[three]\nboth = { kind = "sgd", learning_rate = 0.1 }\n\n[two]'),
        COMPARED,
    ),
    "code of raw": (code_version("raw"), EVERYTHING),
    "code of tensors": (code_version("tensors"), EVERYTHING - {"mnist/raw"}),
    "code of training": (code_version("training.identity"), OF_ONE | OF_TWO | COMPARED),
    "code of samples": (
        code_version("samples"),
        {f"{RECIPE}/{name} {key}" for name in ("samples", "report") for key in ("one", "two")} | COMPARED,
    ),
    "code of extractors": (
        code_version("metrics.identity", "EXTRACTOR_VERSION"),
        {"mnist/classifier", "mnist/reference", f"{RECIPE}/report one", f"{RECIPE}/report two"} | COMPARED,
    ),
    "code of reports": (
        code_version("reports"),
        {f"{RECIPE}/report one", f"{RECIPE}/report two"} | COMPARED,
    ),
    "version of the metrics": (
        code_version("status.reports", "METRICS_VERSION"),
        {f"{RECIPE}/report one", f"{RECIPE}/report two"} | COMPARED,
    ),
    "code of comparison": (code_version("comparison.identity"), COMPARED),
    "raw files are gone": (remove("raw", "mnist", "manifest.json"), EVERYTHING),
    "networks are gone": (remove("training", RECIPE, "one", "manifest.json"), OF_ONE | COMPARED),
    "samples are gone": (
        remove("samples", RECIPE, "one", "manifest.json"),
        {f"{RECIPE}/samples one", f"{RECIPE}/report one"} | COMPARED,
    ),
    "the comparison is gone": (remove("comparison", RECIPE, "manifest.json"), COMPARED),
    "weights are cut short": (
        cut_short("training", RECIPE, "one", "generator.safetensors"),
        {f"{RECIPE}/generator one"},
    ),
    "tensors are cut short": (cut_short("tensors", "mnist", "test.arrow"), {"mnist/tensors"}),
    "samples drawn of other latents": (draw_anew, {f"{RECIPE}/report two"} | COMPARED),
    "scored again": (score_again, COMPARED),
    "files that nobody names any more": (unname_files, EVERYTHING),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_single_change_makes_exactly_its_downstream_artefacts_not_fresh(
    name: str, chain: Paths, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, expected = CHANGES[name]
    change(chain, tables, monkeypatch)
    statuses = looked_at(chain)
    assert not_fresh(statuses) == expected
    assert all(statuses[name].reasons for name in expected if statuses[name].state != MISSING)


# ---------------------------------------------------------------------------------------------------------------------
# States


def test_an_artefact_cut_short_is_named_with_its_file(chain: Paths) -> None:
    path = chain.training(RECIPE, "one") / "generator.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    status = looked_at(chain)[f"{RECIPE}/generator one"]
    assert status.state == FAILED
    assert status.reasons == (f"damaged: generator.safetensors has {size - 1:,} bytes, not {size:,}",)


def test_a_manifest_that_cannot_be_read_is_damage(chain: Paths) -> None:
    (chain.samples(RECIPE, "one") / "manifest.json").write_text("{")
    statuses = looked_at(chain)
    assert statuses[f"{RECIPE}/samples one"].state == FAILED
    assert statuses[f"{RECIPE}/samples one"].reasons == ("damaged: manifest.json cannot be read",)
    assert statuses[f"{RECIPE}/report one"].reasons == (f"because {RECIPE}/samples one is failed",)


def test_facts_that_an_older_version_did_not_keep_make_something_stale(chain: Paths) -> None:
    path = chain.raw("mnist") / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["details"]["layout"]
    path.write_text(json.dumps(manifest))
    assert "older version" in looked_at(chain)["mnist/raw"].reasons[0]


def test_a_changed_byte_is_seen_where_every_file_is_read(chain: Paths) -> None:
    path = chain.samples(RECIPE, "two") / "samples.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not_fresh(looked_at(chain)) == set()
    statuses = looked_at(chain, verify=True)
    assert not_fresh(statuses) == {f"{RECIPE}/samples two"}
    assert statuses[f"{RECIPE}/samples two"].reasons == (
        "damaged: samples.arrow differs from the file that was written",
    )


@pytest.mark.parametrize("verify", [False, True])
def test_a_file_that_this_user_may_not_read_is_named_and_the_rest_is_listed(
    chain: Paths, monkeypatch: pytest.MonkeyPatch, verify: bool
) -> None:
    refused = chain.training(RECIPE, "one") / "generator.safetensors"
    monkeypatch.setattr("pipeline.status.state.os.access", lambda path, _: path != refused)
    statuses = looked_at(chain, verify=verify)
    assert not_fresh(statuses) == {f"{RECIPE}/generator one"}
    why = "permission denied: generator.safetensors may not be read by this user"
    assert statuses[f"{RECIPE}/generator one"].reasons == (why,)


def test_a_damaged_and_stale_artefact_passes_its_staleness_on(chain: Paths, tables: Path) -> None:
    edit(tables / "optimizers.toml", "0.0002", "0.0003")
    (chain.training(RECIPE, "one") / "history.parquet").unlink()
    statuses = looked_at(chain)
    assert statuses[f"{RECIPE}/generator one"].state == FAILED
    assert statuses[f"{RECIPE}/generator one"].reasons[0] == "damaged: history.parquet is gone"
    assert statuses[f"{RECIPE}/samples one"].reasons == (f"because {RECIPE}/generator one is failed",)


def test_a_training_of_which_every_member_diverged_is_failed(chain: Paths) -> None:
    reason = {"member": 0, "step": 2, "weights_step": 0, "reason": "the loss is not finite"}
    in_manifest(chain.training(RECIPE, "one"), diverged_members=[0, 1], divergences=[reason, reason | {"member": 1}])
    statuses = looked_at(chain)
    assert statuses[f"{RECIPE}/generator one"].state == FAILED
    assert statuses[f"{RECIPE}/generator one"].reasons == ("diverged: all of 2 members (the loss is not finite)",)
    assert not_fresh(statuses) == {f"{RECIPE}/generator one"}


def test_one_diverged_member_of_two_is_no_failure(chain: Paths) -> None:
    in_manifest(chain.training(RECIPE, "one"), diverged_members=[1])
    assert not_fresh(looked_at(chain)) == set()


def in_manifest(folder: Path, **details: object) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["details"] |= details
    path.write_text(json.dumps(manifest))


def test_a_comparison_made_without_a_damaged_file_is_stale_once_that_is_repaired(chain: Paths) -> None:
    history = chain.training(RECIPE, "one") / "history.parquet"
    flip_a_byte(history)
    make_comparison(RECIPE, list(load_optimizers()), chain, force=True)
    assert looked_at(chain)[f"{RECIPE}/comparison"].state == FRESH
    flip_a_byte(history)
    status = looked_at(chain)[f"{RECIPE}/comparison"]
    assert status.state == STALE
    assert "damaged files were left out" in status.reasons[0]
    assert not make_comparison(RECIPE, list(load_optimizers()), chain)[0].cached
    assert not_fresh(looked_at(chain)) == set()


def test_a_damaged_report_fails_and_the_other_ones_are_still_listed(chain: Paths) -> None:
    (report,) = (chain.reports() / f"recipe={RECIPE}" / "optimizer=one").glob("2*.parquet")
    report.write_bytes(b"no report")
    statuses = looked_at(chain)
    assert statuses[f"{RECIPE}/report one"].state == FAILED
    assert str(report) in statuses[f"{RECIPE}/report one"].reasons[0]
    assert statuses[f"{RECIPE}/report two"].state == FRESH
    assert statuses[f"{RECIPE}/comparison"].state == STALE


def test_a_classifier_trained_otherwise_makes_all_that_it_saw_stale_until_that_is_made_again(
    chain: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(CLASSIFIER, seed=1)
    monkeypatch.setattr("pipeline.status.datasets.EXTRACTOR_SETTINGS", other)
    reports = {f"{RECIPE}/report {key}" for key in ("one", "two")}
    statuses = looked_at(chain)
    assert not_fresh(statuses) == {"mnist/classifier", "mnist/reference"} | reports | COMPARED
    assert statuses["mnist/classifier"].reasons == ("seed 0 -> 1",)
    train_classifier("mnist", chain, settings=other)
    statuses = looked_at(chain)
    assert not_fresh(statuses) == {"mnist/reference"} | reports | COMPARED
    assert statuses["mnist/reference"].reasons == ("the extractor's weights changed",)
    make_reference("mnist", chain)
    statuses = looked_at(chain)
    assert not_fresh(statuses) == reports | COMPARED
    assert statuses[f"{RECIPE}/report one"].reasons == (
        "the extractor's weights changed",
        "the reference was made again",
    )


def test_a_shorter_training_is_fresh_and_its_row_names_the_steps(chain: Paths) -> None:
    settings = resolve(load_recipes()[RECIPE], load_optimizers()["one"], steps=2, members=1, seed=3)
    train([settings], require_tensors(chain, "mnist"), chain)
    generate(require_training(chain, RECIPE, "one"), 12, chain)
    statuses = looked_at(chain)
    assert statuses[f"{RECIPE}/generator one"].state == FRESH
    notes = ("2 steps (recipe: 4)", "1 member (recipe: 2)", "seed 3")
    assert statuses[f"{RECIPE}/generator one"].notes == notes
    assert statuses[f"{RECIPE}/samples one"].notes == ("12 images per member (recipe: 20)",)


def test_the_reason_for_an_artefact_without_identity_is_an_older_version(chain: Paths) -> None:
    forget_identity(chain.samples(RECIPE, "one"))
    statuses = looked_at(chain)
    assert statuses[f"{RECIPE}/samples one"].state == STALE
    assert "older version" in statuses[f"{RECIPE}/samples one"].reasons[0]


def test_of_a_training_by_an_older_version_the_edited_rate_is_known_all_the_same(chain: Paths, tables: Path) -> None:
    forget_identity(chain.training(RECIPE, "one"))
    edit(tables / "optimizers.toml", "0.0002", "0.0003")
    reasons = looked_at(chain)[f"{RECIPE}/generator one"].reasons
    assert "generator.learning_rate 0.0002 -> 0.0003" in reasons


def forget_identity(folder: Path) -> None:
    """Rewrite a manifest like a version before identities, with other code."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["identity"]
    path.write_text(json.dumps(manifest | {"fingerprint": "of other code"}))


def test_an_artefact_that_no_table_names_is_an_orphan(chain: Paths, tables: Path) -> None:
    edit(tables / "optimizers.toml", "[two]", "[three]")
    statuses = looked_at(chain)
    names = {f"{RECIPE}/generator two", f"{RECIPE}/samples two"}
    assert {name for name, status in statuses.items() if status.state == ORPHAN} == names
    assert statuses[f"{RECIPE}/samples two"].reasons == ("configuration two is in no table",)


def test_raw_samples_of_a_training_with_an_average_are_fresh_only_if_requested(chain: Paths, tables: Path) -> None:
    edit(tables / "optimizers.toml", "[two]", "[two]\nema_decay = 0.5")
    train([resolve(load_recipes()[RECIPE], load_optimizers()["two"])], require_tensors(chain, "mnist"), chain)
    training = require_training(chain, RECIPE, "two")

    def score_samples() -> dict[str, Status]:
        score_partition(RECIPE, "two", Judge.load("mnist", chain), chain)
        return looked_at(chain)

    assert generate(training, 20, chain).details["weights"] == "average"
    found = score_samples()
    assert not_fresh(found) == COMPARED
    assert found[f"{RECIPE}/samples two"].notes == ()

    assert generate(training, 20, chain, weights="raw").details["weights"] == "raw"
    found = score_samples()
    assert not_fresh(found) == COMPARED
    assert found[f"{RECIPE}/samples two"].notes == ("raw weights (the training keeps their average)",)

    drawn_by_default_before(chain)
    found = looked_at(chain)
    assert not_fresh(found) == OF_TWO - {f"{RECIPE}/generator two"} | COMPARED
    assert "weights raw -> average" in found[f"{RECIPE}/samples two"].reasons
    assert not generate(training, 20, chain, weights="raw").cached  # a person's request is recorded
    assert looked_at(chain)[f"{RECIPE}/samples two"].state == FRESH


def drawn_by_default_before(paths: Paths) -> None:
    """Write raw samples like the versions that used raw weights for every configuration."""
    path = paths.samples(RECIPE, "two") / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["identity"]["decided_by"].pop("instead_of", None)
    manifest["details"].pop("instead_of", None)
    manifest["fingerprint"] = Identity.from_json(manifest["identity"]).fingerprint
    path.write_text(json.dumps(manifest))


def test_an_interrupted_training_is_missing_and_its_note_names_the_step(chain: Paths) -> None:
    folder = chain.training(RECIPE, "one")
    (folder / "manifest.json").unlink()
    status = looked_at(chain)[f"{RECIPE}/generator one"]
    assert (status.state, status.notes) == (MISSING, ("continues from step 4",))


def test_the_note_on_an_interrupted_training_names_another_number_of_members(chain: Paths) -> None:
    folder = chain.training(RECIPE, "one")
    (folder / "manifest.json").unlink()
    (run,) = (path for path in (folder / "checkpoints").iterdir() if path.is_dir())
    run.rename(run.with_name(run.name.replace("members-0-1", "members-0-4")))
    assert looked_at(chain)[f"{RECIPE}/generator one"].notes == ("continues from step 4 with --members 5",)


def test_a_training_with_added_members_is_fresh_and_its_samples_are_stale(chain: Paths) -> None:
    settings = resolve(load_recipes()[RECIPE], load_optimizers()["one"], members=3)
    train([settings], require_tensors(chain, "mnist"), chain)
    found = looked_at(chain)
    assert found[f"{RECIPE}/generator one"].state == FRESH
    assert found[f"{RECIPE}/generator one"].notes == ("3 members (recipe: 2)",)
    assert found[f"{RECIPE}/samples one"].reasons == ("the generator was trained again",)


def test_an_interrupted_training_does_not_continue_from_checkpoints_of_other_settings(
    chain: Paths, tables: Path
) -> None:
    (chain.training(RECIPE, "one") / "manifest.json").unlink()
    edit(tables / "optimizers.toml", "0.0002", "0.0003")
    status = looked_at(chain)[f"{RECIPE}/generator one"]
    assert (status.state, status.notes) == (MISSING, ())


def test_configurations_that_are_added_to_or_removed_from_the_table_are_named(chain: Paths, tables: Path) -> None:
    rates = 'both = { kind = "adam", learning_rate = 0.0004 }'
    table = tables / "optimizers.toml"
    table.write_text(table.read_text() + f"\n[three]\n{rates}\n[four]\n{rates}\n")
    assert looked_at(chain)[f"{RECIPE}/comparison"].reasons == ("configurations without a report: three, four added",)


def test_files_named_elsewhere_are_a_note(chain: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_MNIST", str(tmp_path))
    status = looked_at(chain)["mnist/raw"]
    assert status.state == FRESH
    assert status.notes == (f"GANFORGE_MNIST names {tmp_path} now; materialize the raw files to read it",)


def test_an_empty_data_folder_has_nothing_and_named_recipes_are_missing(tables: Path, paths: Paths) -> None:
    surveyed = survey(paths)
    assert surveyed.statuses() == [] and surveyed.is_done()
    named = survey(paths, [RECIPE])
    assert {status.state for status in named.statuses()} == {MISSING}
    assert not paths.root.exists()


def test_raw_files_of_two_data_sets_are_listed_once(paths: Paths) -> None:
    assert list(looked_at(paths, not_begun=True)).count("celeba/raw") == 1


def test_all_configurations_are_listed_in_less_time_than_importing_torch_takes(paths: Paths) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.status.survey import survey;"
        "from pipeline.storage.paths import Paths; found = survey(Paths(Path(sys.argv[1])), not_begun=True);"
        "assert len(found.statuses()) > 100;"
        "print(*{'torch', 'dagster', 'matplotlib', 'duckdb', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(paths.root)], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "\n"
