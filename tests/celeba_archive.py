"""A small archive in CelebA's official layout, made in a moment: no photograph, and no person.

Each image is 178x218 RGB with a grid of cells in its middle, within the smallest crop that is used (108x108). Cell k is
bright if the image has attribute k. So a classifier can learn the attributes, also at 28x28.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT = 178, 218
COLUMNS, ROWS, CELL = 8, 5, 13  # 40 cells
NUMBER_STEPS = (1, 3, 1, 13, 2)  # the numbering has gaps, as in the real subset

HEADER = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair "
    "Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male "
    "Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks "
    "Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace "
    "Wearing_Necktie Young"
)
NAMES = HEADER.split()


def write_small_celeba(
    folder: Path, count: int = 60, *, attributes: bool = True, partition: bool = True, as_folder: bool = False
) -> Path:
    """Write the archive (or `img_align_celeba/`), the attributes and a partition of 3 : 1 : 1 into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    values = small_attributes(count)
    names = image_names(count)
    files = {
        f"img_align_celeba/{name}": encode(face(row, index))
        for index, (name, row) in enumerate(zip(names, values, strict=True))
    }
    if as_folder:
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    else:
        write_zip(folder / "img_align_celeba.zip", files)
    if attributes:
        (folder / "list_attr_celeba.txt").write_text(attributes_text(names, values))
    if partition:
        lines = [f"{name} {part_of(index, count)}" for index, name in enumerate(names)]
        (folder / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    return folder


def part_of(index: int, count: int) -> int:
    """Return 0 for train, 1 for validation, 2 for test: in blocks, as in the official partition."""
    return (0, 0, 0, 1, 2)[5 * index // count]


def image_names(count: int) -> list[str]:
    numbers = np.cumsum([NUMBER_STEPS[index % len(NUMBER_STEPS)] for index in range(count)])
    return [f"{number:06d}.jpg" for number in numbers]


def small_attributes(count: int) -> npt.NDArray[np.uint8]:
    """Return random attributes, (N, 40) uint8, each with its own frequency."""
    random = np.random.default_rng(7)
    frequencies = np.linspace(0.1, 0.9, len(NAMES))
    return (random.random((count, len(NAMES))) < frequencies).astype(np.uint8)


def attributes_text(names: list[str], values: npt.NDArray[np.uint8]) -> str:
    """Return attributes in the official form: right-aligned values, so that 1 has two spaces before it."""
    rows = [
        f"{name} " + " ".join(" 1" if value else "-1" for value in row) for name, row in zip(names, values, strict=True)
    ]
    return "\n".join([str(len(names)), HEADER + " ", *rows]) + "\n"


def face(row: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Draw an image, (218, 178, 3) uint8: a shaded background and the cells of the attributes."""
    random = np.random.default_rng(seed)
    shade = np.linspace(random.integers(40, 90), random.integers(90, 140), HEIGHT)[:, None, None]
    image = np.broadcast_to(shade + random.integers(-20, 20, 3), (HEIGHT, WIDTH, 3)).copy()
    top, left = (HEIGHT - ROWS * CELL) // 2, (WIDTH - COLUMNS * CELL) // 2
    cells = np.where(row.reshape(ROWS, COLUMNS), 230, 30).repeat(CELL, 0).repeat(CELL, 1)
    image[top : top + ROWS * CELL, left : left + COLUMNS * CELL] = cells[..., None]
    return image.clip(0, 255).astype(np.uint8)


def encode(image: npt.NDArray[np.uint8], kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return buffer.getvalue()


def write_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path
