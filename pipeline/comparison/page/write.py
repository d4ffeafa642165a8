"""Write the page: gather every part, render the template, and write one file.

In: a ranking and the data folder. Out: the file, its size and its missing parts. The parts have budgets of bytes; the
explorer's generators, the largest part, get the remaining bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.comparison.page import charts, provenance, scores
from pipeline.comparison.page.curves import (
    ALONG_TRAINING,
    ALONG_TRAINING_TITLE,
    MEASURES,
    gather_curves,
    gather_scores_along,
    last_values,
)
from pipeline.comparison.page.entries import PageEntry, colour_order, find_entries
from pipeline.comparison.page.explorer import gather_explorer
from pipeline.comparison.page.feature_map import gather_feature_map
from pipeline.comparison.page.grids import gather_grids
from pipeline.comparison.page.interpolation import gather_interpolation
from pipeline.comparison.page.movie import gather_movie
from pipeline.comparison.ranking import Ranking
from pipeline.comparison.ranking_verdicts import verdicts_on_best
from pipeline.comparison.verdicts import how_sure
from pipeline.settings import load_recipes
from pipeline.storage.paths import Paths
from pipeline.tables import find
from pipeline.training.kinds_of_weights import AVERAGE
from pipeline.training.records.loss_curves import FEW_STEPS, LOSS_TITLES

FOLDER = Path(__file__).parent
SCRIPTS = ("page.js", "charts.js", "movie.js", "generator.js", "explorer.js")
CONTROLS_BYTES = 10_000  # of the explorer without its generators
VEGA_SNIPPET = "window.vegaEmbed = vegaEmbed;"
LIMIT_BYTES = 14_950_000  # below 15 MB, decimal or binary


@dataclass(frozen=True)
class PageFacts:
    """The size and the missing parts of a written page."""

    size_bytes: int
    missing_parts: dict[str, dict[str, str]] = field(default_factory=dict)  # part → configuration or "all" → reason


@dataclass(frozen=True)
class ByteBudget:
    """Bytes for the parts that can be made smaller."""

    grids: int
    movie: int


FULL = ByteBudget(grids=2_500_000, movie=3_000_000)
TIGHT = ByteBudget(grids=550_000, movie=550_000)  # leaves room for one generator of celeba_dense


def write_page(ranking: Ranking, paths: Paths, file: Path) -> PageFacts:
    """Write the comparison page of a ranking. The page and the result name the parts that cannot be shown."""
    entries = find_entries(ranking, paths)
    dataset = find(load_recipes(), ranking.recipe, "recipe").dataset
    parts = _gather(ranking, entries, dataset, paths)
    for budget in (FULL, TIGHT, FULL):
        parts["grids"] = gather_grids(entries, dataset, paths, budget.grids)
        parts["movie"] = gather_movie(entries, budget.movie)
        rest_bytes = len(_render(ranking, entries, {**parts, "explorer": NO_EXPLORER}).encode())
        parts["explorer"] = gather_explorer(entries, LIMIT_BYTES - CONTROLS_BYTES - rest_bytes)
        if parts["explorer"]["generators"] or not parts["explorer"]["too_large"]:
            break
    content = _render(ranking, entries, parts).encode()
    if len(content) > LIMIT_BYTES:
        raise ValueError(f"{file}: the page would take {len(content):,} bytes, expected at most {LIMIT_BYTES:,}")
    file.write_bytes(content)
    return PageFacts(len(content), _missing_parts(parts))


NO_EXPLORER: dict[str, Any] = {"generators": {}, "missing": {}, "too_large": []}


def _gather(ranking: Ranking, entries: Sequence[PageEntry], dataset: str, paths: Paths) -> dict[str, Any]:
    """Return the parts of fixed size, as plain values."""
    return {
        "scores": scores.chart_data(entries),
        "verdicts": scores.verdict_rows(ranking, scores.metrics_of(entries)),
        "curves": gather_curves(entries),
        "scores_along": gather_scores_along(entries, paths),
        "interpolation": gather_interpolation(entries),
        "map": gather_feature_map(entries, dataset, paths),
    }


def _missing_parts(parts: dict[str, Any]) -> dict[str, dict[str, str]]:
    by_part = {name: dict(part["missing"]) for name, part in parts.items() if "missing" in part}
    if parts["map"]["why_missing"]:
        by_part["map"] = {"all": parts["map"]["why_missing"]}
    return {name: missing for name, missing in by_part.items() if missing}


def _render(ranking: Ranking, entries: Sequence[PageEntry], parts: dict[str, Any]) -> str:
    keys = colour_order(entries)
    recipe = find(load_recipes(), ranking.recipe, "recipe")
    return _template().render(
        recipe=recipe,
        ranking=ranking,
        headline=scores.headline(ranking),
        averaged=[entry.key for entry in entries if entry.configuration.report.weights == AVERAGE],
        made=datetime.now(UTC),
        source=provenance.data_source(entries),
        budget=provenance.budget(entries, recipe),
        measured_with=provenance.measured_with(entries),
        how_sure=how_sure(verdicts_on_best(ranking)),
        keys=keys,
        order=[entry.key for entry in entries],
        members=max((entry.configuration.replicates.count for entry in entries), default=0),
        dashes=dict(zip(keys, charts.dashes(keys), strict=True)),
        table=scores.ranking_table(entries, ranking.ranked_by),
        **parts,
        measures=MEASURES,
        along_training=ALONG_TRAINING,
        along_training_title=ALONG_TRAINING_TITLE,
        last_values=last_values(parts["curves"]["by_configuration"]),
        changed=provenance.changed_settings(entries),
        records=provenance.records(entries),
        protocol=provenance.protocol(entries),
        commands=provenance.how_to_repeat(ranking.recipe, entries),
        readings=provenance.how_to_read(entries),
        data=_json(_script_data(keys, entries, parts)),
        vega=Markup(_vega()),
        style=Markup(_text("page.css")),
        scripts=[Markup(_text(name)) for name in SCRIPTS],
    )


def _script_data(keys: Sequence[str], entries: Sequence[PageEntry], parts: dict[str, Any]) -> dict[str, Any]:
    """Return the data and the chart specifications for the scripts."""
    few = all(len(curve["steps"]) < FEW_STEPS for curve in parts["curves"]["by_configuration"].values())
    order = [entry.key for entry in entries]
    data = {name: parts[name] for name in ("scores", "curves", "scores_along", "movie", "map", "explorer")}
    curves = {name: charts.curve_chart(keys, title, has_few_steps=few) for name, title in MEASURES.items()}
    curves[ALONG_TRAINING] = charts.curve_chart(keys, ALONG_TRAINING_TITLE, has_few_steps=True)
    return {
        **data,
        "keys": list(keys),
        "lookup_prefix": charts.LOOKUP_PREFIX,
        "losses": LOSS_TITLES,
        "specs": {
            "score": charts.score_chart(keys, order),
            "curves": curves,
            "losses": charts.losses_chart(list(LOSS_TITLES.values()), has_few_steps=few),
            "map": charts.map_chart(parts["map"].get("class_names", [])),
        },
    }


def _json(values: dict[str, Any]) -> Markup:
    """Return JSON for a script element, without text that could end the element. NaN is an error."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))


@cache
def _vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    return str(vl_convert.javascript_bundle(VEGA_SNIPPET)).replace("</script", "<\\/script")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
