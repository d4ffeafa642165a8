"""Plain evidence of the library becomes metadata of Dagster."""

from pathlib import Path

import dagster as dg

from assets.publishing.evidence import to_metadata
from pipeline.evidence import Drawing, Json, Markdown, Table


def test_each_kind_of_evidence_has_its_kind_of_metadata() -> None:
    metadata = to_metadata(
        {
            "plain": 3,
            "path": Path("/a/b"),
            "text": Markdown("**bold**"),
            "rows": Table([{"class": "cat", "images": 2}]),
            "pair": Json((1, 2)),
            "drawing": Drawing(lambda: "![drawn](data:)"),
        }
    )
    assert metadata == {
        "plain": 3,
        "path": dg.MetadataValue.path(Path("/a/b")),
        "text": dg.MetadataValue.md("**bold**"),
        "rows": dg.MetadataValue.table([dg.TableRecord({"class": "cat", "images": 2})]),
        "pair": dg.MetadataValue.json([1, 2]),
        "drawing": dg.MetadataValue.md("![drawn](data:)"),
    }


def test_a_former_drawing_is_kept_and_not_drawn_again() -> None:
    def draw() -> str:
        raise AssertionError("drawn although it is there")

    former = {"curves": dg.MetadataValue.md("![former](data:)"), "loss": dg.MetadataValue.float(1.0)}
    assert to_metadata({"curves": Drawing(draw), "loss": 2.0}, former) == {"curves": former["curves"], "loss": 2.0}
