"""Details of manifests: the same class writes and reads them, and a missing fact is one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.storage.artefact import Artefact, make_artefact, read_artefact
from pipeline.storage.details import DetailsError, to_json
from pipeline.storage.identity import Identity


@dataclass(frozen=True, kw_only=True)
class Inner:
    name: str
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    count: int
    shape: tuple[int, int, int]
    inner: Inner
    previous: int | None
    by_split: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    weights: str | None = None


FACTS = Facts(count=3, shape=(1, 28, 28), inner=Inner(name="a"), previous=None, by_split={"train": (1, 2)})


def artefact_with(folder: Path, details: dict[str, object]) -> Artefact:
    return Artefact(folder, "fingerprint", {}, details, "")


def test_details_written_to_a_manifest_are_read_back_equal(tmp_path: Path) -> None:
    make_artefact(tmp_path / "facts", Identity("stage", "1", {}), lambda _: to_json(FACTS))
    stored = read_artefact(tmp_path / "facts")
    assert stored is not None
    assert stored.details_as(Facts) == FACTS


def test_a_field_that_defaults_to_none_is_left_out_while_it_is_none() -> None:
    assert to_json(FACTS) == {
        "count": 3,
        "shape": [1, 28, 28],
        "inner": {"name": "a"},
        "previous": None,
        "by_split": {"train": [1, 2]},
    }


def test_keys_that_an_older_version_lacked_get_their_defaults(tmp_path: Path) -> None:
    old = {"count": 3, "shape": [1, 2, 3], "inner": {"name": "a"}, "previous": 2, "unknown": 1}
    facts = artefact_with(tmp_path, old).details_as(Facts)
    assert (facts.by_split, facts.weights, facts.previous) == ({}, None, 2)


def test_a_missing_fact_is_one_sentence_with_file_key_and_remedy(tmp_path: Path) -> None:
    values = to_json(FACTS) | {"inner": {}}
    with pytest.raises(DetailsError) as raised:
        artefact_with(tmp_path, values).details_as(Facts)
    assert str(raised.value) == (
        f"{tmp_path / 'manifest.json'}: found no details.inner.name, so an older version made it; make it again"
    )


def test_a_fact_of_another_type_is_named(tmp_path: Path) -> None:
    with pytest.raises(DetailsError, match=r"found 'three' as details\.count \(.*integer.*\); make it again"):
        artefact_with(tmp_path, to_json(FACTS) | {"count": "three"}).details_as(Facts)


def test_details_are_read_once_per_artefact(tmp_path: Path) -> None:
    artefact = artefact_with(tmp_path, to_json(FACTS))
    assert artefact.details_as(Facts) is artefact.details_as(Facts)
