"""Contrast of the page's colours in both themes, after WCAG 2.2."""

import re

import pytest

from pipeline.comparison.page.write import FOLDER

PAIR = re.compile(r"--([a-z0-9-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)")
COLOURS = {name: pair for name, *pair in PAIR.findall((FOLDER / "page.css").read_text(encoding="utf-8"))}
THEMES = {"light": 0, "dark": 1}
SERIES = [name for name in COLOURS if name.startswith("series-")]


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_that_of_the_guideline() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["ground", "raised"])
@pytest.mark.parametrize("text", ["ink", "quiet", "accent", "warning"])
def test_texts_stand_out_by_at_least_4_5(text: str, ground: str, theme: str) -> None:
    place = THEMES[theme]
    assert contrast(COLOURS[text][place], COLOURS[ground][place]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("series", SERIES)
def test_digits_and_lines_of_a_chart_stand_out_by_at_least_4_5(series: str, theme: str) -> None:
    place = THEMES[theme]
    assert contrast(COLOURS[series][place], COLOURS["ground"][place]) >= 4.5


def test_there_are_ten_different_colours_a_theme() -> None:
    for place in THEMES.values():
        assert len({COLOURS[name][place] for name in SERIES}) == 10
