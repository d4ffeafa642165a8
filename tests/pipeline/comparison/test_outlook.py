import pytest

from pipeline.comparison.outlook import Choice, incomparable_choice
from pipeline.storage.paths import Paths
from tests.pipeline.comparison.example_scores import add

ALL = ["sgd", "adam", "rmsprop"]
CHOICE = Choice(steps=4500, width=8, n_generated=10_000, extractor="classifier")


@pytest.fixture(autouse=True)
def ranked(paths: Paths) -> None:
    for optimizer in ("sgd", "rmsprop"):
        add(paths, optimizer, [1.0, 2.0], columns={"n_generated": 10_000, "extractor": "classifier"})


def outlook(paths: Paths, *chosen: str, **changed: int) -> str:
    return incomparable_choice("mnist_mlp", chosen, Choice(**{**vars(CHOICE), **changed}), ALL, paths)


def test_a_choice_that_the_ranked_reports_share_needs_no_word(paths: Paths) -> None:
    assert outlook(paths, "adam") == ""


def test_a_difference_is_named_with_the_configurations_that_it_makes_incomparable(paths: Paths) -> None:
    assert outlook(paths, "adam", n_generated=2000, steps=400) == (
        "mnist_mlp adam: the new scores will not be comparable with those of rmsprop, sgd (steps 4,500 there, "
        "400 here; n_generated 10,000 there, 2,000 here); the ranking shows the larger group, of equal "
        "ones the newer. Choose the same to compare them, or set another GANFORGE_DATA for a quick trial"
    )


def test_a_choice_for_all_configurations_leaves_nothing_behind_to_compare_with(paths: Paths) -> None:
    assert outlook(paths, *ALL, steps=400) == ""


def test_a_choice_for_more_configurations_than_are_left_becomes_the_ranking(paths: Paths) -> None:
    assert outlook(paths, "adam", "sgd", steps=400) == ""
    assert "not be comparable with those of rmsprop, sgd (" in outlook(paths, "adam", steps=400)
