import json

from pipeline.storage.identity import Identity, differences

BASE = Identity("s", "1", {"a": 1, "b": {"x": 1, "y": 2}})


def test_a_fingerprint_depends_on_everything_but_the_order_of_names() -> None:
    assert Identity("s", "1", {"b": {"y": 2, "x": 1}, "a": 1}).fingerprint == BASE.fingerprint
    others = [Identity("t", "1", BASE.decided_by), Identity("s", "2", BASE.decided_by)]
    others += [Identity("s", "1", {**BASE.decided_by, "a": 2}), Identity("s", "1", {"a": 1, "b": {"x": 1, "y": 3}})]
    assert len({BASE.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_an_identity_survives_json() -> None:
    assert Identity.from_json(json.loads(json.dumps(BASE.to_json()))).fingerprint == BASE.fingerprint


def test_differences_name_every_leaf_with_both_values() -> None:
    now = Identity("s", "2", {"a": 1, "b": {"x": 5, "z": [1, 2]}})
    assert differences(BASE, now) == ["code version 1 -> 2", "b.x 1 -> 5", "b.y 2 -> none", "b.z none -> [1, 2]"]


def test_equal_identities_differ_in_nothing_even_where_one_has_tuples() -> None:
    tuples, lists = Identity("s", "1", {"shape": (1, 28, 28)}), Identity("s", "1", {"shape": [1, 28, 28]})
    assert differences(tuples, lists) == []
    assert tuples.fingerprint == lists.fingerprint


def test_a_long_value_is_cut_short_in_a_sentence() -> None:
    changes = differences(Identity("s", "1", {"tensors": "a" * 64}), Identity("s", "1", {"tensors": "b" * 64}))
    assert changes == [f"tensors {'a' * 12}… -> {'b' * 12}…"]
