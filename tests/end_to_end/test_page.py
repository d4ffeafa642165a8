"""The comparison page in headless Chromium, opened from disk without a network: charts, movie and latent explorer."""

import json
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.comparison.page import write_page
from pipeline.comparison.page.curves import MEASURES
from pipeline.comparison.ranking import compare
from pipeline.reports import store
from pipeline.settings import load_optimizers
from pipeline.storage.paths import Paths
from tests.end_to_end.conftest import DEMO, Made

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]
OFFLINE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"),
)
SIZES = {"wide": (1280, 900), "narrow": (400, 900)}
THEMES = {"light": (), "dark": ("--blink-settings=preferredColorScheme=0",)}
LONGEST_SECONDS = 180
ATTEMPTS = 3
MARK = "page_test_results"
CURVES = len(MEASURES) + 1  # charts with one line per configuration: measurements of training, and the score along it

WATCH = """<script>
window.problems = [];
window.addEventListener("error", (event) => problems.push(event.message || `cannot load ${event.target.src}`), true);
window.addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
for (const kind of ["error", "warn"]) console[kind] = (...words) => problems.push(words.join(" "));
</script>"""

TRY = """<script>
(async () => {
  const found = {};
  const get = (id) => document.getElementById(id);
  const rest = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const drawn = async () => { await ganforgePage.drawn(); await rest(50); };
  const pixels = (canvas) => Array.from(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).join();
  const films = () => [...document.querySelectorAll("canvas.film")].map(pixels);
  const lines = () => document.querySelectorAll(".chart.curve .mark-line path").length;
  const move = (slider, value) => {
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const choose = (select, value) => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
  try {
    await drawn();
    await ganforgePage.filmed;
    found.charts = document.querySelectorAll(".chart").length;
    found.broken_names = [...document.querySelectorAll("table .named")]
      .filter((name) => name.getClientRects().length > 1).map((name) => name.textContent);
    found.rows = [...document.querySelectorAll("#score_chart .role-axis-label text")].map((text) => text.textContent);
    found.pictures = document.querySelectorAll(".chart svg").length;
    found.lines = lines();
    found.loss_lines = document.querySelectorAll(".chart.losses .mark-line path").length;
    found.points = document.querySelectorAll("#map_real .mark-text.role-mark text").length;
    const box = document.querySelector("#shown input");
    box.click();
    await rest(300);
    found.lines_with_one_hidden = lines();
    box.click();
    await rest(300);
    found.lines_again = lines();

    found.title = get("score_chart").textContent;
    choose(get("metric"), "inception_score");
    await drawn();
    found.other_title = get("score_chart").textContent;
    found.shown_verdicts = [...document.querySelectorAll(".verdicts")].filter((each) => !each.hidden)
      .map((each) => each.dataset.metric);
    choose(get("mapped"), get("mapped").options[1].value);
    await drawn();
    found.mapped = get("map_generated").textContent.includes(get("mapped").options[1].value);
    choose(get("member"), "1");
    found.shown_members = [...document.querySelectorAll("img[data-member]")].filter((each) => !each.hidden)
      .map((each) => each.dataset.member);

    const cell = document.querySelector(".chart.curve [class*=voronoi] path");
    for (const kind of ["pointerover", "pointermove", "mousemove"]) {
      cell.dispatchEvent(new PointerEvent(kind, { bubbles: true, clientX: 200, clientY: 200 }));
    }
    await rest(100);
    const told = get("vg-tooltip-element").querySelectorAll("tr");
    found.tooltip = [...told].map((row) => [...row.cells].map((cell) => cell.textContent));

    const frame = get("frame");
    const last = films();
    move(frame, 0);
    const first = films();
    found.scrubbed = first.map((film, which) => film !== last[which]);
    found.step_at_start = get("step").textContent;
    found.frame_height = document.querySelector("canvas.film").height;
    get("play").click();
    found.while_playing = get("play").textContent;
    await rest(2000);
    found.played = films().map((film, which) => film === last[which]);
    found.after_playing = [get("play").textContent, frame.value === frame.max];
    get("play").click();
    get("play").click();
    found.paused = [get("play").textContent, frame.value];

    found.self_test = ganforgePage.selfTest();
    const image = get("image");
    const seen = [pixels(image)];
    const changed = () => { seen.push(pixels(image)); return seen.at(-1) !== seen.at(-2); };
    move(get("between"), 1);
    found.between = changed();
    move(get("direction_1"), 4);
    found.direction = changed();
    get("new_b").click();
    found.new_end = changed();
    choose(get("explored"), get("explored").options[1].value);
    found.other_generator = changed();
    get("reset").click();
    found.reset = [get("between").value, get("direction_1").value];
    await rest(300);
    found.path = new Set(pixels(get("path")).split(",")).size > 10;

    const folded = document.querySelectorAll("details:not([open])").length;
    dispatchEvent(new Event("beforeprint"));
    const folded_in_print = document.querySelectorAll("details:not([open])").length;
    dispatchEvent(new Event("afterprint"));
    found.folded = [folded > 0, folded_in_print, document.querySelectorAll("details:not([open])").length === folded];

    const colours = () => [getComputedStyle(document.body).backgroundColor,
      getComputedStyle(document.querySelector(".chart.curve .mark-text text")).fill,
      getComputedStyle(document.querySelector(".chart.curve .mark-line path")).stroke];
    const before = colours();
    get("theme").click();
    await drawn();
    found.themed = colours().map((colour, which) => colour !== before[which]);
    get("theme").click();
    await drawn();
    found.themed_back = colours().join() === before.join();
    found.overflow = document.documentElement.scrollWidth - innerWidth;
    found.loaded = performance.getEntriesByType("resource").map((entry) => entry.name)
      .filter((name) => !name.startsWith("data:"));
  } catch (error) {
    problems.push(String(error.stack));
  }
  const results = document.createElement("pre");
  results.id = "page_test_results";
  results.textContent = JSON.stringify({ ...found, problems });
  document.body.append(results);
})();
</script>"""


@dataclass(frozen=True)
class Opened:
    """A page and a profile for the browser that opens it."""

    file: Path
    profile: Path

    def browse(self, file: Path, *arguments: str) -> str:
        command = [str(CHROMIUM), *OFFLINE, f"--user-data-dir={self.profile}", *arguments, file.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=True)
        return done.stdout

    def trial(self, size: str) -> dict[str, Any]:
        """Return the results of the script at one size of the window."""
        watched = self.file.with_name(f"watched_{size}.html")
        content = self.file.read_text(encoding="utf-8")
        head, body = content.split("<head>", 1)
        body, foot = body.rsplit("</body>", 1)
        watched.write_text(f"{head}<head>{WATCH}{body}{TRY}</body>{foot}", encoding="utf-8")
        width, height = SIZES[size]
        arguments = ("--virtual-time-budget=60000", "--dump-dom", f"--window-size={width},{height}")
        for _ in range(ATTEMPTS):
            dumped = self.browse(watched, *arguments)
            match = re.search(rf'id="{MARK}">(.*?)</pre>', dumped, re.DOTALL)
            if match:
                results: dict[str, Any] = json.loads(unescape(match[1]))
                return results
        pytest.fail(f"the page was not through within {ATTEMPTS} attempts; it ends with {dumped[-500:]}")

    @cached_property
    def wide(self) -> dict[str, Any]:
        return self.trial("wide")

    @cached_property
    def narrow(self) -> dict[str, Any]:
        return self.trial("narrow")


@pytest.fixture(scope="module")
def opened(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Write the demo's page anew."""
    folder = tmp_path_factory.mktemp("page")
    facts = write_page(compare("mnist_mlp", list(load_optimizers()), made.paths), made.paths, folder / "page.html")
    assert facts.missing_parts == {}
    assert facts.size_bytes < 6_000_000
    return Opened(folder / "page.html", folder / "profile")


def test_the_page_runs_without_a_problem_and_loads_nothing(opened: Opened) -> None:
    assert opened.wide["problems"] == []
    assert opened.wide["loaded"] == []


def test_every_chart_is_drawn_with_a_line_a_configuration(opened: Opened) -> None:
    page = opened.wide
    assert page["charts"] == page["pictures"] == 1 + CURVES + len(DEMO) + 2
    assert page["lines"] == CURVES * len(DEMO)
    assert page["loss_lines"] == 3 * len(DEMO)
    assert page["points"] == 120


def test_hovering_a_curve_shows_every_configuration_at_that_step(opened: Opened) -> None:
    expect_every_mean(opened.wide["tooltip"], DEMO)


def expect_every_mean(tooltip: list[list[str]], keys: Sequence[str]) -> None:
    """Return a tooltip's values: the step and one number per configuration, under any name."""
    assert tooltip[0] == ["training step:", "2"]
    assert sorted(name for name, _ in tooltip[1:]) == sorted(f"{key}:" for key in keys)
    assert all(np.isfinite(float(number.replace("−", "-"))) for _, number in tooltip[1:])


def test_a_configuration_is_hidden_and_shown_again(opened: Opened) -> None:
    assert opened.wide["lines_with_one_hidden"] == CURVES * (len(DEMO) - 1)
    assert opened.wide["lines_again"] == CURVES * len(DEMO)


def test_choices_change_the_configurations_shown(opened: Opened) -> None:
    page = opened.wide
    assert "FID" in page["title"]
    assert "Inception Score" in page["other_title"]
    assert page["shown_verdicts"] == ["inception_score"]
    assert page["mapped"]
    assert page["shown_members"] == ["1"] * len(DEMO)


def test_the_movie_scrubs_plays_to_its_end_and_pauses(opened: Opened) -> None:
    page = opened.wide
    assert page["scrubbed"] == [True] * len(DEMO)
    assert page["step_at_start"] == "0"
    assert page["frame_height"] == 4 * 28 + 3 * 2
    assert page["while_playing"] == "Pause"
    assert page["played"] == [True] * len(DEMO)
    assert page["after_playing"] == ["Play", True]
    assert page["paused"] == ["Play", "0"]


def test_every_slider_of_the_explorer_changes_the_picture(opened: Opened) -> None:
    page = opened.wide
    changes = ("between", "direction", "new_end", "other_generator", "path")
    assert {name: page[name] for name in changes} == dict.fromkeys(changes, True)
    assert page["reset"] == ["0", "0"]


def test_the_browser_generates_the_same_images_as_pytorch(opened: Opened) -> None:
    assert 0 < opened.wide["self_test"] < 1e-4


def test_the_theme_button_recolours_page_and_charts_and_back(opened: Opened) -> None:
    assert opened.wide["themed"] == [True] * 3
    assert opened.wide["themed_back"]


def test_a_narrow_window_needs_no_scrolling_sideways(opened: Opened) -> None:
    page = opened.narrow
    assert page["problems"] == []
    assert page["overflow"] <= 0


def test_no_name_in_a_table_is_broken_over_lines(opened: Opened) -> None:
    assert opened.narrow["broken_names"] == []


def test_printing_opens_folded_sections_and_folds_them_again(opened: Opened) -> None:
    assert opened.wide["folded"] == [True, 0, True]


def test_a_dark_page_is_printed_in_the_light_theme(opened: Opened) -> None:
    dark = opened.file.with_name("dark.html")
    dark.write_text(opened.file.read_text(encoding="utf-8").replace("<html", '<html data-theme="dark"', 1), "utf-8")
    printed = dark.with_suffix(".pdf")
    opened.browse(dark, f"--print-to-pdf={printed}", "--virtual-time-budget=20000")
    streams = re.findall(rb"stream\r?\n(.*?)endstream", printed.read_bytes(), re.DOTALL)
    colours = {colour for stream in streams for colour in re.findall(rb"([0-9. ]+) (?:rg|RG)\b", inflated(stream))}
    light, dark_theme = b".0392 .3882 .6588", b".3608 .702 .949"  # --series-1
    assert light in colours
    assert dark_theme not in colours


def inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""  # a picture or a font


STRANGE = ("constructor", "step", "tostring", "__proto__", "title", "image", "lookup", "mean")


def renamed(made: Made, paths: Paths, keys: Sequence[str]) -> None:
    """Copy one of the demo's configurations several times, under other names."""
    for key in keys:
        shutil.copytree(made.paths.training("mnist_mlp", DEMO[0]), paths.training("mnist_mlp", key))
        shutil.copytree(made.paths.samples("mnist_mlp", DEMO[0]), paths.samples("mnist_mlp", key))
    for folder in (Paths.tensors, Paths.classifier, Paths.reference):
        shutil.copytree(folder(made.paths, "mnist"), folder(paths, "mnist"), dirs_exist_ok=True)
    reports = store.latest_of_all(made.paths.reports(), "mnist_mlp")
    (rows,) = [report.rows.to_pylist() for report in reports if report.optimizer == DEMO[0]]
    along = made.paths.scores_by_step("mnist_mlp", DEMO[0])
    for key in keys:
        store.append(paths.reports(), [{**row, "optimizer": key} for row in rows])
        copied = paths.scores_by_step("mnist_mlp", key)
        copied.parent.mkdir(parents=True)
        shutil.copy(along, copied)


def test_no_name_of_a_configuration_disturbs_the_page(made: Made, tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    renamed(made, paths, STRANGE)
    facts = write_page(compare("mnist_mlp", STRANGE, paths), paths, tmp_path / "page.html")
    assert facts.missing_parts == {}
    page = Opened(tmp_path / "page.html", tmp_path / "profile").trial("wide")
    assert page["problems"] == []
    lines = CURVES * len(STRANGE)
    assert (page["lines"], page["loss_lines"]) == (lines, 3 * len(STRANGE))
    assert (page["lines_with_one_hidden"], page["lines_again"]) == (lines - CURVES, lines)
    assert set(STRANGE) <= set(page["rows"])
    expect_every_mean(page["tooltip"], STRANGE)
    assert page["self_test"] < 1e-4


@pytest.mark.parametrize(("theme", "size"), [("light", "wide"), ("dark", "wide"), ("light", "narrow")])
def test_the_page_looks_like_something(opened: Opened, tmp_path: Path, theme: str, size: str) -> None:
    screenshots = Path(os.environ.get("GANFORGE_SCREENSHOTS") or tmp_path).resolve()
    screenshots.mkdir(parents=True, exist_ok=True)
    picture = screenshots / f"page_{theme}_{size}.png"
    width, height = SIZES[size][0], 5000
    arguments = (f"--screenshot={picture}", f"--window-size={width},{height}", "--virtual-time-budget=20000")
    opened.browse(opened.file, *arguments, *THEMES[theme])
    with Image.open(picture) as shot:
        levels = np.asarray(shot.convert("L")).astype(int)
    assert levels.shape == (height, width)
    ground = 23 if theme == "dark" else 255
    assert (np.abs(levels - ground) < 6).mean() > 0.4
    assert (np.abs(levels - ground) > 60).mean() > 0.02  # an empty page has no ink
