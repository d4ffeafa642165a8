"""Figures: one run of `make demo` makes the README's transcript and every picture in docs/pictures.

    make figures        # or: python docs/figures.py [--keep-run]

In: only the demo's own data. Out: the block of README.md between the `figures` comments, and demo.png,
comparison.png and page.png. Each picture carries a digest of the printed rankings and of its own pixels;
`tests/test_figures.py` computes it again and so finds a ranking or a picture that was changed by hand.

The demo also runs with the roundings of other processors. A verdict that another rounding contradicts or leaves
undecided is not fit to be shown: then no file is written and the exit code is 1.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin

from pipeline.storage.images import read_images
from pipeline.storage.paths import PROJECT, Paths
from pipeline.storage.pictures import write_grid

README, PICTURES, WORK = PROJECT / "README.md", PROJECT / "docs" / "pictures", PROJECT / "build" / "figures"
BEGIN, END = "<!-- figures: made by `make figures` -->\n", "<!-- figures end -->"
SIGNATURE = "ganforge-figures"  # the name of a picture's text that holds its signature
RECIPE, DENSE = "mnist_mlp", ("rmsprop", "rmsprop_adam", "rmsprop_adam_tweaked")
CONVOLUTIONAL = ("mnist_dcgan", "adam")
ROUNDINGS = {
    "AVX2": {"MKL_CBWR": "AVX2,STRICT", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "SSE4.1": {"MKL_CBWR": "SSE4_1", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
COLUMNS, SCALE, GAP = 16, 2, 12  # images in a row of demo.png, their size, white pixels between the two networks
UI_SIZE, PAGE_SIZE = (1640, 1000), (1240, 1410)  # of the browser's window
ZOOM = 0.75  # pixels of a picture per pixel of the window
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync")
HEAD = """\
$ make run        # installs into .venv, trains the demo, opens the Dagster UI: 6 minutes, a third of it torch
== installing into .venv (torch is several GB: some minutes the first time)
"""
UI_LINE = (
    "Dagster UI: http://127.0.0.1:3000  (assets: http://127.0.0.1:3000/asset-groups)  Ctrl-C stops it.\n"  # `make run`
)
TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}")  # of a report: it differs from run to run


def main(words: Sequence[str]) -> int:
    """Run the demo, check its verdicts under other roundings, and write the figures.

    With `--keep-run` the figures are written again from the last run.
    """
    if CHROMIUM is None:
        print("figures: found no Chromium, expected one for screenshots; apt-get install chromium", file=sys.stderr)
        return 1
    paths, log = Paths(WORK / "shown"), WORK / "printed.txt"
    if "--keep-run" not in words:
        log.write_text(run_demo(paths.root), encoding="utf-8")
    fragile = fragile_verdicts(paths)
    if fragile:
        print(
            "figures: not written, because another rounding gives another verdict: " + "; ".join(fragile),
            file=sys.stderr,
        )
        return 1
    block = transcript(log.read_text(encoding="utf-8"))
    write_readme(block)
    digest = digest_of(block)
    draw_samples(paths, PICTURES / "demo.png")
    with served(paths) as url:
        shoot(f"{url}/assets/{RECIPE}/comparison", PICTURES / "comparison.png", UI_SIZE)
    page = paths.comparison(RECIPE) / "comparison.html"
    shoot(page.as_uri(), PICTURES / "page.png", PAGE_SIZE)
    for name in ("demo.png", "comparison.png", "page.png"):
        sign(PICTURES / name, digest)
    print(f"figures: README.md and {PICTURES.relative_to(PROJECT)} are of one run, {digest[:12]}")
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# The run


def run_demo(data: Path) -> str:
    """Run `make demo` in an empty data folder and return the lines that it prints."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"], cwd=PROJECT, env=environment(data), check=True, stdout=subprocess.PIPE
    )
    return done.stdout.decode()


def environment(data: Path, rounding: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the caller's environment without data, tables and rounding, so that the demo is that of a fresh clone."""
    prefixes = ("GANFORGE_", "DAGSTER_", "MKL_", "ATEN_", "ONEDNN_", "OMP_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**inherited, "GANFORGE_DATA": str(data), **(rounding or {})}


def fragile_verdicts(paths: Paths) -> list[str]:
    """Return the verdicts by FID that the demo shows and another rounding contradicts, each as a clause."""
    shown = verdicts(paths)
    clauses = []
    for name, rounding in ROUNDINGS.items() if set(shown.values()) != {"undecided"} else ():
        data = WORK / name
        shutil.rmtree(data, ignore_errors=True)
        command = [sys.executable, "-m", "assets.cli", "materialize", RECIPE, "--optimizer", *DENSE]
        subprocess.run(command, cwd=PROJECT, env=environment(data, rounding), check=True, stdout=subprocess.DEVNULL)
        other = verdicts(Paths(data))
        clauses += [
            f"{first} against {second} is {verdict}, with {name} {other.get((first, second))}"
            for (first, second), verdict in shown.items()
            if {verdict, other.get((first, second))} == {"better", "worse"}
        ]
    return clauses


def verdicts(paths: Paths) -> dict[tuple[str, str], str]:
    """Return the verdict by FID on each pair, in both orders."""
    shown = [("metric", "=", "fid"), ("family", "=", "best")]
    table = pq.read_table(paths.comparison(RECIPE) / "verdicts.parquet", filters=shown)
    opposite = {"better": "worse", "worse": "better"}
    rows = table.select(["first", "second", "verdict"]).to_pylist()
    one_way = {(row["first"], row["second"]): row["verdict"] for row in rows}
    return one_way | {(second, first): opposite.get(verdict, verdict) for (first, second), verdict in one_way.items()}


# ---------------------------------------------------------------------------------------------------------------------
# README


def transcript(printed: str) -> str:
    """Return the README's block: the output of `make run` without most lines of progress."""
    lines = printed.splitlines()
    dense = next(index for index, line in enumerate(lines) if line.startswith("== training the demo"))
    beside = next(index for index, line in enumerate(lines) if line.startswith("== and beside it"))
    ranking = next(index for index, line in enumerate(lines) if line.startswith(f"{RECIPE}: mean"))
    shown = [line for line in lines[dense:beside] if any(words in line for words in SHOWN)]
    progress = next(line for line in lines[dense:beside] if "images/s" in line)
    shortened = re.sub(r"( \| \S+ D [^|]*){1,} \| (?=[\d,]+ images/s)", lambda match: _two_of(match[0]), progress)
    rest = [*shown, shortened, "  …", lines[beside], "  …", *lines[ranking:]]
    return "```\n" + HEAD + "\n".join(rest) + "\n" + UI_LINE + "```\n"


SHOWN = ("== training the demo", ": taken from ", " held-out images right", "members as one model")


def _two_of(losses: str) -> str:
    """Return the losses of the first two configurations; with all, the line would be too long."""
    parts = [part for part in losses.split(" | ") if part.strip()]
    return f" | {' | '.join(part.strip() for part in parts[:2])} | … " if len(parts) > 2 else losses


def write_readme(block: str) -> None:
    """Put the block between the two comments of README.md."""
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    README.write_text(before + BEGIN + block + END + after, encoding="utf-8")


def digest_of(block: str) -> str:
    """Return the sha256 of the printed rankings, without the times at which reports were made."""
    rankings = block[block.index(f"{RECIPE}: mean") :]
    return hashlib.sha256(TIME.sub("", rankings).encode()).hexdigest()


def readme_block() -> str:
    """Return the present block of README.md."""
    return README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


# ---------------------------------------------------------------------------------------------------------------------
# Pictures


def draw_samples(paths: Paths, file: Path) -> None:
    """Draw one row per member of each dense configuration, and the convolutional one's first images below them."""
    dense = [first_images(paths, RECIPE, optimizer, COLUMNS) for optimizer in DENSE]
    parts = [np.concatenate(dense), first_images(paths, *CONVOLUTIONAL, 3 * COLUMNS)]
    pictures = []
    for number, part in enumerate(parts):
        write_grid(WORK / f"part_{number}.png", part, COLUMNS, SCALE)
        pictures.append(Image.open(WORK / f"part_{number}.png").convert("L"))
    width = max(picture.width for picture in pictures)
    height = sum(picture.height for picture in pictures) + GAP
    sheet = Image.new("L", (width, height), 255)
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height + GAP
    sheet.save(file, optimize=True)


def first_images(paths: Paths, recipe: str, optimizer: str, count: int) -> np.ndarray:
    """Return the first `count` images of every member, (M · count, C, H, W) uint8."""
    images = read_images(paths.samples(recipe, optimizer) / "samples.arrow")
    members = images.columns["member"]
    return np.concatenate([images.pixels[members == member][:count] for member in np.unique(members)])


@contextmanager
def served(paths: Paths) -> Iterator[str]:
    """Serve the Dagster UI over a data folder, on this machine alone, and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "assets.cli", "ui", "--port", str(port)]
    server = subprocess.Popen(command, cwd=PROJECT, env=environment(paths.root), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = next((line for line in server.stdout if "Dagster UI" in line), "")
        if not line:
            raise OSError("figures: the Dagster UI did not start; see its output")
        url = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/server_info", timeout=30):
            yield url
    finally:
        server.terminate()
        server.wait(60)


def shoot(url: str, file: Path, size: tuple[int, int]) -> None:
    """Save a screenshot in 128 colours. A second look makes sure that the page has loaded."""
    profile = WORK / "chromium"
    for _ in range(2):  # the first look fills the browser's cache; a busy machine may not finish a page in time
        command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
        command += [f"--force-device-scale-factor={ZOOM}", "--virtual-time-budget=20000", f"--screenshot={file}", url]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        time.sleep(1.0)
    with Image.open(file) as shot:
        shot.convert("RGB").quantize(128).save(file, optimize=True)


def sign(file: Path, digest: str) -> None:
    """Write the signature of a picture and the rankings' digest into the picture's text."""
    text = PngImagePlugin.PngInfo()
    text.add_text(SIGNATURE, signature(file, digest))
    with Image.open(file) as picture:
        picture.load()
        picture.save(file, optimize=True, pnginfo=text)


def signature(file: Path, digest: str) -> str:
    """Return the sha256 of the rankings' digest and a picture's pixels."""
    with Image.open(file) as picture:
        return hashlib.sha256(digest.encode() + picture.convert("RGB").tobytes()).hexdigest()


def is_of_one_run(file: Path, digest: str) -> bool:
    """True if `sign` signed these pixels together with these rankings."""
    with Image.open(file) as picture:
        signed = picture.info.get(SIGNATURE)
    return bool(signed == signature(file, digest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
