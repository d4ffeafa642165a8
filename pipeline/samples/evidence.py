"""Evidence of a sample set: a strip and a grid of its images, and how they were generated."""

from __future__ import annotations

from pipeline.evidence import Evidence, Markdown
from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import read_images
from pipeline.storage.pictures import inline_strip, markdown_file


def samples_evidence(artefact: Artefact) -> Evidence:
    """Return the sample set's pictures and facts. There are no pictures if every member diverged."""
    details = artefact.details_as(SamplesDetails)
    images = read_images(artefact.verified_path("samples.arrow"))
    pictures: Evidence = {}
    if len(images):
        grid = markdown_file(artefact.verified_path("grid.png"), "samples, a few rows per member")
        pictures = {"preview": Markdown(inline_strip(images.pixels)), "grid": Markdown(grid)}
    return {
        **pictures,
        "images": len(images),
        "images_a_member": details.images_per_member,
        "weights": details.weights,
        "members": len(details.members),
        "diverged_members": len(details.diverged_members),
        "seed": details.seed,
        "path": artefact.folder,
    }
