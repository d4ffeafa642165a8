"""Charts: Vega-Lite specifications as plain dicts, without data and without colours.

Out: specifications with a data set "rows": `charts.js` fills it, and applies colours of the page's theme. A
configuration has the same colour, dash pattern and marker in every chart. Its field "lookup" is its key with a prefix:
Vega turns keys into names of fields, and without the prefix a key could be "step" or a property of every JavaScript
object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Spec = dict[str, Any]

LOOKUP_PREFIX = "key_"
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 4], [1, 3], [6, 2, 1, 2, 1, 2], [14, 3, 3, 3], [3, 6])
COLOURS = 10  # --series-1 to --series-10 in page.css
LOSS_DASHES = [[2, 2], [7, 3], [1, 0]]
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
ROW_HEIGHT, CURVE_HEIGHT, MAP_HEIGHT, SMALL_HEIGHT = 34, 220, 380, 150
SIX_DIGITS, FOUR_DIGITS, WHOLE = ".6~g", ".4~g", ",d"
ZOOM = {
    "name": "zoom",
    "select": {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.shiftKey]"},
    "bind": "scales",
}


def score_chart(keys: Sequence[str], order: Sequence[str]) -> Spec:
    """Return the chart of one score, one row per configuration: members, mean and interval, real images and noise.

    `keys` are in the order of colours, `order` is the order from top to bottom.
    """
    across: Spec = {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 8}}
    bare = {"labelExpr": f"slice(datum.label, {len(LOOKUP_PREFIX)})"}
    down: Spec = {"field": "lookup", "type": "nominal", "sort": _lookups(order), "title": None, "axis": bare}
    colour = _by_configuration("color", keys)
    tooltip = [_tooltip_line("configuration"), _tooltip_line("member"), _tooltip_line("value", SIX_DIGITS)]
    interval = [_tooltip_line("configuration"), *(_tooltip_line(name, SIX_DIGITS) for name in ("mean", "low", "high"))]
    return {
        "width": "container",
        "height": ROW_HEIGHT * len(order),
        "data": {"name": "rows"},
        "encoding": {"x": across},
        "layer": [
            {
                **_only("anchor"),
                "mark": {"type": "rule", "strokeDash": [5, 4], "clip": True},
                "encoding": {"tooltip": [_tooltip_line("name"), _tooltip_line("value", SIX_DIGITS)]},
            },
            {
                **_only("anchor"),
                "mark": {"type": "text", "align": "left", "dx": 4, "y": 9, "clip": True},
                "encoding": {"text": {"field": "name"}},
            },
            {
                **_only("interval"),
                "mark": {"type": "rule", "strokeWidth": 3, "clip": True},
                "encoding": {
                    "x": {**across, "field": "low"},
                    "x2": {"field": "high"},
                    "y": down,
                    **colour,
                    "tooltip": interval,
                },
            },
            {
                **_only("mean"),
                "mark": {"type": "point", "filled": True, "size": 130, "opacity": 1, "clip": True},
                "encoding": {"y": down, **colour, **_by_configuration("shape", keys), "tooltip": interval},
            },
            {
                **_only("member"),
                "mark": {"type": "tick", "thickness": 2, "size": 18, "opacity": 0.75, "clip": True},
                "encoding": {"y": down, **colour, "tooltip": tooltip},
            },
        ],
    }


def curve_chart(keys: Sequence[str], title: str, *, has_few_steps: bool) -> Spec:
    """Return the chart of one measure by step: means as lines, members as bands, all values of a step on hover."""
    step: Spec = {"field": "step", "type": "quantitative", "title": "training step", "axis": {"tickCount": 4}}
    mean: Spec = {"field": "mean", "type": "quantitative", "title": None, "scale": {"zero": False}}
    colour = _by_configuration("color", keys)
    dash: Spec = {"strokeDash": {"field": "lookup", "scale": _scale(_lookups(keys), dashes(keys)), "legend": None}}
    hover: Spec = {
        "name": "hover",
        "select": {"type": "point", "nearest": True, "on": "pointerover", "clear": "pointerout", "fields": ["step"]},
    }
    return {
        "title": title,
        "width": "container",
        "height": CURVE_HEIGHT,
        "data": {"name": "rows"},
        "params": [{"name": "shown", "value": _lookups(keys)}],
        "transform": [{"filter": "indexof(shown, datum.lookup) >= 0"}],
        "encoding": {"x": step},
        "layer": [
            {
                "params": [ZOOM],
                "mark": {"type": "area", "opacity": 0.16, "clip": True},
                "encoding": {"y": {**mean, "field": "low"}, "y2": {"field": "high"}, **colour},
            },
            {
                "mark": {"type": "line", "strokeWidth": 1.8, "clip": True, "point": has_few_steps},
                "encoding": {"y": mean, **colour, **dash},
            },
            {
                "transform": [{"pivot": "lookup", "value": "mean", "groupby": ["step"]}],
                "params": [hover],
                "mark": {"type": "rule", "clip": True},
                "encoding": {
                    "opacity": {"condition": {"value": 0.6, "param": "hover", "empty": False}, "value": 0},
                    "tooltip": [
                        _tooltip_line("step", WHOLE, "training step:"),
                        *(_configuration_line(key) for key in keys),
                    ],
                },
            },
        ],
    }


def losses_chart(labels: Sequence[str], *, has_few_steps: bool) -> Spec:
    """Return the chart of the three losses of one configuration; `charts.js` colours the lines."""
    curve: Spec = {"field": "curve", "scale": {"domain": list(labels)}, "title": None}
    dash = {**curve, "scale": _scale(labels, LOSS_DASHES)}
    step = {"field": "step", "type": "quantitative", "title": None, "axis": {"tickCount": 3}}
    value = {"field": "mean", "type": "quantitative", "title": None, "scale": {"zero": False}}
    return {
        "width": "container",
        "height": SMALL_HEIGHT,
        "data": {"name": "rows"},
        "mark": {"type": "line", "strokeWidth": 1.5, "clip": True, "point": has_few_steps, "tooltip": True},
        "params": [ZOOM],
        "encoding": {
            "x": step,
            "y": value,
            "color": {**curve, "legend": {"orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 2}},
            "strokeDash": {**dash, "legend": {"orient": "top"}},
        },
    }


def map_chart(class_names: Sequence[str]) -> Spec:
    """Return the chart of points in the plane, coloured by class. Short class names are the marks themselves.

    `charts.js` adds a title and the axes' domains, which are equal for real and generated images.
    """
    across, up = (
        {"field": name, "type": "quantitative", "title": f"component {number}"}
        for number, name in enumerate("xy", start=1)
    )
    points: Spec = {
        "width": "container",
        "height": MAP_HEIGHT,
        "data": {"name": "rows"},
        "encoding": {"x": across, "y": up},
    }
    if not class_names:
        return {**points, "mark": {"type": "point", "filled": True, "size": 18, "opacity": 0.6}}
    named = {"field": "class", "type": "nominal", "scale": {"domain": list(class_names)}}
    colour = {**named, "title": "class", "legend": {"orient": "bottom", "columns": 10, "symbolType": "square"}}
    tooltip = {"tooltip": [_tooltip_line("class")]}
    if max(map(len, class_names)) <= 2:
        mark = {"type": "text", "fontSize": 11, "fontWeight": 600}
        encoding = {"color": {**colour, "legend": None}, "text": {"field": "class"}, **tooltip}
    else:
        mark = {"type": "point", "filled": True, "size": 28, "opacity": 0.8}
        shape = {**named, "scale": _scale(class_names, _cycled(SHAPES, class_names))}
        legend = {"orient": "bottom", "columns": 4}
        encoding = {"color": {**colour, "legend": legend}, "shape": {**shape, "title": "class"}, **tooltip}
    return {**points, "mark": mark, "encoding": {**points["encoding"], **encoding}}


def dashes(keys: Sequence[str]) -> list[list[int]]:
    """Return the dash pattern of each configuration. After ten of them, colours repeat with other patterns."""
    return [DASHES[(index + 3 * (index // COLOURS)) % len(DASHES)] for index in range(len(keys))]


def _lookups(keys: Sequence[str]) -> list[str]:
    """Return the names by which Vega looks up configurations."""
    return [LOOKUP_PREFIX + key for key in keys]


def _by_configuration(channel: str, keys: Sequence[str]) -> Spec:
    names = _lookups(keys)
    scale = {"domain": names} if channel == "color" else _scale(names, _cycled(SHAPES, names))
    return {channel: {"field": "lookup", "type": "nominal", "scale": scale, "legend": None}}


def _scale(names: Sequence[str], values: list[Any]) -> Spec:
    return {"domain": list(names), "range": values}


def _cycled(values: Sequence[Any], names: Sequence[str]) -> list[Any]:
    return [values[index % len(values)] for index in range(len(names))]


def _only(kind: str) -> Spec:
    return {"transform": [{"filter": f"datum.kind == '{kind}'"}]}


def _tooltip_line(field: str, digits: str | None = None, title: str | None = None) -> Spec:
    """Return one line of a tooltip."""
    if digits is None:
        return {"field": field}
    return {"field": field, "type": "quantitative", "format": digits, "title": title or field}


def _configuration_line(key: str) -> Spec:
    """Return a configuration's line of a tooltip."""
    # The colon prevents the names "title" and "image", which Vega's tooltips treat differently.
    return _tooltip_line(LOOKUP_PREFIX + key, FOUR_DIGITS, f"{key}:")
