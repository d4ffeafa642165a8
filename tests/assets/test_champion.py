import dagster as dg
import pytest

from assets.champion import build_champion
from pipeline.champion import contents
from pipeline.champion.promotion import Exported
from pipeline.champion.versions import require_champion
from pipeline.checks import stored
from pipeline.settings import load_recipes
from pipeline.storage.paths import Paths
from tests.pipeline.champion.example_contenders import BAD, GOOD, contender, failed, passed


@pytest.fixture(autouse=True)
def decisions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_export", lambda *_: Exported(None, None, "not asked for"))
    monkeypatch.setattr(stored, "stored_findings", lambda *_: passed)


def materialized() -> dg.AssetMaterialization:
    asset = build_champion(load_recipes()["mnist_mlp"])
    result = dg.materialize([asset])
    (event,) = result.asset_materializations_for_node(asset.node_def.name)
    return event


def data_version(event: dg.AssetMaterialization) -> str:
    return (event.tags or {})["dagster/data_version"]


def test_without_a_report_the_asset_is_still_made_and_records_why_there_is_no_champion(paths: Paths) -> None:
    event = materialized()
    assert data_version(event) == "none"
    assert event.metadata["promoted"].value is False
    assert str(event.metadata["reason"].value).startswith("no champion yet: no configuration has a report yet")
    assert event.metadata["decisions"].value == "no report yet"


def test_a_promotion_shows_reason_score_decisions_card_and_picture(paths: Paths) -> None:
    contender(paths, "sgd", BAD)
    contender(paths, "adam", GOOD)
    event = materialized()
    champion = require_champion("mnist_mlp", paths)
    shown = {name: value.value for name, value in event.metadata.items()}
    assert data_version(event) == champion.artefact.fingerprint
    assert (shown["promoted"], shown["cached"], shown["version"], shown["optimizer"]) == (True, False, 1, "adam")
    assert shown["fid"] == pytest.approx(305 / 3)
    assert shown["fid_interval"] == "101.7 ± 5.2"
    assert shown["path"] == str(champion.artefact.folder)
    assert str(shown["card"]).startswith("# mnist_mlp, champion 1: adam")
    assert str(shown["grid"]).startswith("![generated images of every member](data:image/png;base64,")
    table = event.metadata["decisions"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [(row.data["optimizer"], row.data["decision"]) for row in table.records] == [
        ("adam", "promoted"),
        ("sgd", "not judged"),
    ]


def test_the_same_champion_again_is_cached_and_keeps_its_data_version(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    contender(paths, "sgd", BAD)
    first = materialized()
    contender(paths, "adam", GOOD)
    monkeypatch.setattr(stored, "stored_findings", lambda *_: failed("adam"))
    second = materialized()
    assert second.metadata["cached"].value is True
    assert "adam is better, but failed mode_drop" in str(second.metadata["reason"].value)
    assert data_version(second) == data_version(first)
    monkeypatch.setattr(stored, "stored_findings", lambda *_: passed)
    assert data_version(materialized()) != data_version(first)


def test_the_asset_depends_on_the_comparison_and_the_settings_alone() -> None:
    asset = build_champion(load_recipes()["mnist_mlp"])
    (key,) = asset.keys
    assert key == dg.AssetKey(["mnist_mlp", "champion"])
    assert asset.asset_deps[key] == {dg.AssetKey(["mnist_mlp", name]) for name in ("comparison", "settings")}
    assert asset.group_names_by_key[key] == "champion"
