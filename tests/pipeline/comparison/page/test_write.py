import itertools
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.comparison.page import PageFacts, write_page
from pipeline.comparison.page.curves import MEASURES
from pipeline.comparison.page.write import SCRIPTS, _json
from pipeline.comparison.ranking import Ranking, compare
from pipeline.metrics.catalogue import DEFINITIONS
from pipeline.reports import store
from pipeline.samples.generate import generate
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.paths import Paths
from pipeline.tensors.load import require_tensors
from pipeline.training.train import train
from tests.pipeline.comparison.page.reading import Page, read_page

PARTS_OF_A_CONFIGURATION = {"curves", "scores_along", "grids", "movie", "interpolation", "map", "explorer"}
BESIDE_THE_REPORT = {"scores_along"}  # shown whatever has become of training and samples


@pytest.fixture
def written(chain_paths: Paths, tmp_path: Path) -> Callable[..., tuple[PageFacts, Page]]:
    """Write the page of the present data folder and read it."""

    def write(*optimizers: str, recipe: str = "mnist_mlp") -> tuple[PageFacts, Page]:
        ranking = compare(recipe, optimizers or ("adam", "sgd"), chain_paths)
        facts = write_page(ranking, chain_paths, tmp_path / "page.html")
        assert facts.size_bytes == (tmp_path / "page.html").stat().st_size
        return facts, read_page(tmp_path / "page.html")

    return write


Written = Callable[..., tuple[PageFacts, Page]]


def test_a_whole_page_leaves_nothing_out_and_stays_small(written: Written) -> None:
    facts, page = written()
    assert facts.missing_parts == {}
    assert page.missing() == []
    assert facts.size_bytes < 4_000_000
    assert set(page.data["explorer"]["generators"]) == {"adam", "sgd"}


def charts_along(page: Page) -> int:
    return sum(element.attributes.get("data-measure") == "fid_by_step" for element in page.elements)


def test_the_distance_along_training_has_a_chart_with_a_note_on_comparable_distances(written: Written) -> None:
    _, page = written()
    assert charts_along(page) == 1
    assert "uses 500 images per member. So few images bias it upwards" in page.text
    assert set(page.data["specs"]["curves"]) == {*MEASURES, "fid_by_step"}


def test_missing_scores_along_training_are_named_beside_existing_ones_and_else_have_no_chart(
    written: Written, chain_paths: Paths
) -> None:
    for optimizer in ("adam", "sgd"):
        chain_paths.scores_by_step("mnist_mlp", optimizer).unlink()
        facts, page = written()
        assert charts_along(page) == (optimizer == "adam")
        sentence = "adam is not shown: there are no scores along its training."
        assert page.missing() == ([sentence] if optimizer == "adam" else [])
    assert set(facts.missing_parts["scores_along"]) == {"adam", "sgd"}


def test_nothing_is_loaded_from_anywhere(written: Written) -> None:
    _, page = written()
    loaded = [
        element.attributes[name] for element in page.elements for name in ("src", "href") if name in element.attributes
    ]
    assert loaded
    assert [address for address in loaded if address is None or not address.startswith(("data:", "#"))] == []
    (style,) = page.all("style")
    assert "url(" not in style.text
    assert "@import" not in style.text


def test_the_page_can_be_read_without_seeing_it(written: Written) -> None:
    _, page = written()
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [element for element in page.all("img") if not element.attributes.get("alt")] == []
    assert [element for element in page.all("canvas") if not element.attributes.get("aria-label")] == []
    labelled = {element.attributes.get("for") for element in page.all("label")}
    controls = page.all("input", "select")
    assert len(controls) > 8
    assert [c for c in controls if "label" not in c.around and c.attributes.get("id") not in labelled] == []
    assert [element for element in page.all("button") if not element.text.strip()] == []
    tables = page.all("table")
    assert len(page.all("caption")) == len(tables) > 4
    assert [element for element in page.all("th") if element.attributes.get("scope") not in ("row", "col")] == []
    identifiers = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {"header", "nav", "main", "footer"} <= {element.tag for element in page.elements}


def test_headings_go_down_one_level_at_a_time_and_the_contents_lead_to_them(written: Written) -> None:
    _, page = written()
    levels = [int(element.tag[1]) for element in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    identifiers = {element.attributes.get("id") for element in page.elements}
    links = [str(element.attributes["href"])[1:] for element in page.all("a")]
    assert set(links) <= identifiers
    assert {str(element.attributes["id"]) for element in page.all("h2")} <= set(links)


def test_every_score_has_a_definition_a_query_and_each_configuration_a_command(
    written: Written, ranking: Ranking
) -> None:
    _, page = written()
    metrics = ranking.configurations[0].report.metrics()
    commands = [element.text for element in page.all("pre")]
    assert [f"metric = '{metric}'" in text for metric, text in zip(metrics, commands[2:], strict=True)] == [True] * len(
        metrics
    )
    assert commands[0].startswith(f"ganforge materialize mnist_mlp --optimizer {ranking.configurations[0].optimizer} ")
    shown = {metric: (score["title"], score["text"]) for metric, score in page.data["scores"].items()}
    assert shown == {metric: (DEFINITIONS[metric].title, DEFINITIONS[metric].definition) for metric in metrics}


def test_only_settings_that_differ_are_listed(written: Written) -> None:
    _, page = written()
    settings = [element.text for element in page.all("code") if "tbody" in element.around]
    assert "generator.kind" in settings
    assert "batch_size" not in settings


def test_without_a_training_its_parts_say_so(written: Written, chain_paths: Paths) -> None:
    shutil.rmtree(chain_paths.training("mnist_mlp", "adam"))
    facts, page = written()
    assert set(facts.missing_parts) == {"curves", "movie", "interpolation", "explorer"}
    assert set(page.missing()) == {"adam is not shown: its trained networks are not in the data folder."}
    assert set(page.data["movie"]["by_configuration"]) == {"sgd"}


def test_a_later_training_and_its_samples_are_never_shown_beside_an_older_report(
    written: Written, chain_paths: Paths
) -> None:
    settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()["adam"], steps=2, members=2)
    training = train([settings], require_tensors(chain_paths, "mnist"), chain_paths)["adam"]
    facts, page = written()
    assert set(facts.missing_parts) == {
        "curves",
        "movie",
        "interpolation",
        "explorer",
    }  # the samples are still the old ones
    generate(training, 40, chain_paths)
    facts, page = written()
    assert set(facts.missing_parts) == PARTS_OF_A_CONFIGURATION - BESIDE_THE_REPORT
    assert {next(iter(missing)) for missing in facts.missing_parts.values()} == {"adam"}
    assert any("generated with other weights" in sentence for sentence in page.missing())
    assert any("trained again after its report" in sentence for sentence in page.missing())
    assert "adam" in page.data["scores"]["fid"]["rows"][0]["configuration"] or len(page.data["keys"]) == 2


def rewrite(manifest: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(manifest.read_text(encoding="utf-8"))
    change(values["details"])
    manifest.write_text(json.dumps(values), encoding="utf-8")


def test_a_diverged_member_gives_way_to_the_first_sound_one(written: Written, chain_paths: Paths) -> None:
    rewrite(
        chain_paths.training("mnist_mlp", "adam") / "manifest.json",
        lambda details: details.update(diverged_members=[0]),
    )
    rewrite(chain_paths.samples("mnist_mlp", "adam") / "manifest.json", lambda details: details.update(members=[1]))
    facts, page = written()
    assert facts.missing_parts == {}
    assert page.data["explorer"]["generators"]["adam"]["member"] == 1
    shown = [
        element.attributes["alt"]
        for element in page.all("img")
        if "of adam generated" in str(element.attributes["alt"])
    ]
    assert shown == ["24 images that member 1 of adam generated, in rows of 6"]


def test_a_configuration_that_diverged_altogether_is_named_in_every_part(written: Written, chain_paths: Paths) -> None:
    rewrite(
        chain_paths.training("mnist_mlp", "adam") / "manifest.json",
        lambda details: details.update(diverged_members=[0, 1]),
    )
    rewrite(chain_paths.samples("mnist_mlp", "adam") / "manifest.json", lambda details: details.update(members=[]))
    facts, page = written()
    assert set(facts.missing_parts) == PARTS_OF_A_CONFIGURATION - {"curves"} - BESIDE_THE_REPORT
    no_generator = "mnist_mlp adam: every member diverged, so there is no generator to use"
    assert set(page.missing()) == {f"adam is not shown: {why}." for why in ("every member diverged", no_generator)}


def test_damaged_files_are_named_and_not_fatal(written: Written, chain_paths: Paths) -> None:
    training = chain_paths.training("mnist_mlp", "adam")
    (training / "history.parquet").write_bytes(b"no")
    (training / "generator.safetensors").write_bytes(b"no")
    (training / "snapshots" / "step_000000.png").write_bytes(b"no")
    (chain_paths.samples("mnist_mlp", "adam") / "samples.arrow").write_bytes(b"no")
    chain_paths.scores_by_step("mnist_mlp", "adam").write_bytes(b"no")
    facts, page = written()
    assert set(facts.missing_parts) == PARTS_OF_A_CONFIGURATION
    assert str(chain_paths.root) not in page.content


def test_one_configuration_has_a_page_without_verdicts_and_changes(written: Written) -> None:
    facts, page = written("adam")
    assert facts.missing_parts == {}
    assert "Verdicts need at least two configurations." in page.text
    assert "There is one configuration only." in page.text


def test_the_page_of_a_recipe_without_a_report_shows_the_command_for_one(written: Written) -> None:
    facts, page = written("adam", recipe="celeba_dense")
    assert "No configuration has a report yet" in page.text
    assert "ganforge materialize celeba_dense" in page.text
    assert set(facts.missing_parts) == {"grids", "map"}


def test_reports_without_settings_protocol_or_training_still_make_a_page(paths: Paths, tmp_path: Path) -> None:
    for optimizer, value in (("adam", 2.0), ("sgd", None)):
        shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "protocol": "{}", "better": "lower"}
        store.append(paths.reports(), [{**shared, "member": 0, "metric": "fid", "value": value}])
    facts = write_page(compare("mnist_mlp", ["adam", "sgd"], paths), paths, tmp_path / "page.html")
    assert set(facts.missing_parts) == PARTS_OF_A_CONFIGURATION
    assert "adam has the lowest FID: 2." in read_page(tmp_path / "page.html").text


def test_configurations_measured_differently_are_named_with_the_difference(
    written: Written, chain_paths: Paths, ranking: Ranking
) -> None:
    row = ranking.configurations[0].report.rows.to_pylist()[0]
    protocol = json.dumps(json.loads(row["protocol"]) | {"n_generated": 99})
    store.append(chain_paths.reports(), [{**row, "protocol": protocol}])
    _, page = written()
    assert re.search(
        r"is not ranked: it cannot be compared with the ranked configurations \(n_generated 99 and 40\)", page.text
    )


def test_no_text_can_end_the_script_that_holds_the_data(written: Written, chain_paths: Paths, ranking: Ranking) -> None:
    rows = ranking.configurations[0].report.rows.to_pylist()
    hostile = "</script><img src=x onerror=alert(1)>"
    store.append(chain_paths.reports(), [{**row, "note": hostile, "source": hostile} for row in rows])
    _, page = written()
    assert hostile not in page.content
    assert any(of_metric["note"] == hostile for of_metric in page.data["scores"].values())


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "</script>", "\" onload='alert(1)' x=\"<b>&amp;"])
def test_texts_of_a_table_of_recipes_are_shown_as_texts(
    written: Written, monkeypatch: pytest.MonkeyPatch, hostile: str
) -> None:
    recipes = load_recipes()
    recipe = replace(recipes["mnist_mlp"], description=f"first {hostile}", source=f"second {hostile}")
    monkeypatch.setattr("pipeline.comparison.page.write.load_recipes", lambda: recipes | {"mnist_mlp": recipe})
    _, harmless = written()
    assert f"first {hostile}. Source: second {hostile}." in harmless.text
    assert hostile not in harmless.content.replace("</script>\n", "")  # how the page's own scripts end
    assert len(harmless.all("script")) == 2 + len(SCRIPTS)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "</SCRIPT >", "<!--<script>"])
def test_no_text_can_change_the_data_that_the_browser_reads(hostile: str) -> None:
    text = _json({"note": hostile, "quoted": "\"'&"})
    assert "<" not in text
    assert json.loads(text) == {"note": hostile, "quoted": "\"'&"}


def test_the_curves_end_in_a_table_of_numbers(written: Written) -> None:
    _, page = written()
    history = page.data["curves"]["by_configuration"]["adam"]
    rows = [element.text for element in page.all("tr") if "details" in element.around and "adam" in element.text]
    (row,) = [row for row in rows if f"{history['generator_loss']['mean'][-1]:.4g}" in row]
    assert all(f"{history[measure]['mean'][-1]:.4g}" in row for measure in MEASURES)


def test_a_page_at_its_limit_keeps_the_best_generator_and_thins_out_the_rest(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, _ = written()
    monkeypatch.setattr("pipeline.comparison.page.write.LIMIT_BYTES", full.size_bytes - 1)
    facts, page = written()
    assert facts.size_bytes < full.size_bytes
    assert len(page.data["explorer"]["generators"]) == 1
    assert any("MB left" in sentence for sentence in page.missing())


def test_other_parts_give_way_where_otherwise_no_generator_would_fit(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.comparison.page import write

    full, page = written()
    one_bytes = len(json.dumps(page.data["explorer"]["generators"]["adam"]))
    monkeypatch.setattr(write, "TIGHT", write.ByteBudget(grids=0, movie=0))
    monkeypatch.setattr(write, "LIMIT_BYTES", full.size_bytes - one_bytes - 5000)  # not one beside all else
    facts, page = written()
    assert len(page.data["explorer"]["generators"]) == 1
    assert "Only the first member is shown" in page.text
    monkeypatch.setattr(write, "LIMIT_BYTES", full.size_bytes - 2 * one_bytes + 5000)
    facts, page = written()
    assert page.data["explorer"]["generators"] == {}
    assert "Only the first member is shown" not in page.text
    assert set(facts.missing_parts) == {"explorer"}
