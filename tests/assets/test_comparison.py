import dagster as dg
import pyarrow.parquet as pq

from assets.comparison import build_comparison
from pipeline.reports import store
from pipeline.settings import load_recipes
from pipeline.storage.paths import Paths


def add(paths: Paths, optimizer: str, fids: list[float]) -> None:
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "protocol": "{}", "seed": 0}
    shared |= {"metric": "fid", "better": "lower"}
    store.append(paths.reports(), [{**shared, "member": m, "value": value} for m, value in enumerate(fids)])


def materialized() -> dg.AssetMaterialization:
    asset = build_comparison(load_recipes()["mnist_mlp"])
    result = dg.materialize([asset])
    (event,) = result.asset_materializations_for_node(asset.node_def.name)
    return event


def test_the_comparison_shows_verdicts_on_the_best_and_stores_those_on_every_pair(paths: Paths) -> None:
    add(paths, "sgd", [800.0, 821.0, 839.0])
    add(paths, "adam", [100.0, 120.0, 140.0])
    add(paths, "rmsprop", [130.0, 121.0, 155.0])
    table = materialized().metadata["verdicts"]
    assert isinstance(table, dg.TableMetadataValue)
    shown = [(row.data["pair"], row.data["verdict on FID"]) for row in table.records]
    assert shown == [
        ("adam against rmsprop", "undecided: about 16 more members would decide"),
        ("adam against sgd", "adam is better"),
    ]
    assert (
        pq.read_table(paths.comparison("mnist_mlp") / "verdicts.parquet").num_rows == 2 + 3
    )  # the best ones, and all pairs


def test_the_note_on_a_lone_configuration_names_the_needs_of_a_verdict(paths: Paths) -> None:
    add(paths, "adam", [1.0, 2.0])
    assert materialized().metadata["verdicts"].value == "needs at least 2 configurations"
