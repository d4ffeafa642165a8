"""README's transcript and every picture in docs/pictures come from one run of the demo (docs/figures.py)."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.storage.paths import PROJECT

PICTURES = sorted((PROJECT / "docs" / "pictures").glob("*.png"))


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", PROJECT / "docs" / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_of_the_run_with_the_numbers_in_the_readme(figures: ModuleType, picture: Path) -> None:
    assert figures.is_of_one_run(picture, figures.digest_of(figures.readme_block()))


def test_a_pixel_changed_by_hand_is_noticed(figures: ModuleType, tmp_path: Path) -> None:
    copy, digest = tmp_path / "demo.png", figures.digest_of(figures.readme_block())
    with Image.open(PROJECT / "docs" / "pictures" / "demo.png") as picture:
        text, changed = PngInfo(), picture.copy()
        text.add_text(figures.SIGNATURE, picture.info[figures.SIGNATURE])
    changed.save(copy, pnginfo=text)
    assert figures.is_of_one_run(copy, digest)
    grey = changed.getpixel((3, 3))
    assert isinstance(grey, int | float)
    changed.putpixel((3, 3), 255 - grey)
    changed.save(copy, pnginfo=text)
    assert not figures.is_of_one_run(copy, digest)


def test_all_pictures_of_the_readme_are_among_them() -> None:
    shown = re.findall(r"docs/pictures/(\S+\.png)", (PROJECT / "README.md").read_text(encoding="utf-8"))
    assert {path.name for path in PICTURES} == set(shown)
    assert len(shown) >= 3


def test_a_number_changed_by_hand_is_noticed_and_another_time_is_not(figures: ModuleType) -> None:
    block = figures.readme_block()
    number = re.search(r"^rmsprop .*?(\d+) ±", block, re.MULTILINE)
    assert number is not None
    changed = block[: number.start(1)] + str(int(number[1]) + 1) + block[number.end(1) :]
    assert figures.digest_of(changed) != figures.digest_of(block)
    later = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "2030-01-01 00:00", block)
    assert later != block
    assert figures.digest_of(later) == figures.digest_of(block)


def test_of_a_transcript_the_rankings_stay_whole(figures: ModuleType) -> None:
    printed = (
        "== training the demo: ganforge materialize mnist_mlp --optimizer a b c\n0:03  mnist: taken from package x\n"
        "0:04  noise\n0:19  mnist_mlp: training a, b, c: 9 members as one model, 45 steps\n"
        "0:24  mnist_mlp 7/45 | a D 0.8+0.9 G 1.1 | b D 0.4+0.2 G 3.2 | c D 1+2 G 0 | 72,316 images/s | 0:30 left\n"
        "== and beside it: ganforge materialize mnist_dcgan\n0:01  mnist_dcgan 1/2 | adam D 1+1 G 1 | 9 images/s\n"
        "mnist_mlp: mean ± 95 %\na  1.0\n"
    )
    lines = figures.transcript(printed).splitlines()
    assert lines[3:] == [
        "== training the demo: ganforge materialize mnist_mlp --optimizer a b c",
        "0:03  mnist: taken from package x",
        "0:19  mnist_mlp: training a, b, c: 9 members as one model, 45 steps",
        "0:24  mnist_mlp 7/45 | a D 0.8+0.9 G 1.1 | b D 0.4+0.2 G 3.2 | … 72,316 images/s | 0:30 left",
        "  …",
        "== and beside it: ganforge materialize mnist_dcgan",
        "  …",
        "mnist_mlp: mean ± 95 %",
        "a  1.0",
        figures.UI_LINE.rstrip(),
        "```",
    ]
