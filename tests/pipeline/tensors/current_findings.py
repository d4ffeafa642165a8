"""The findings on tensors after a test changed their files."""

from pipeline.findings import Finding
from pipeline.storage.artefact import Artefact
from pipeline.tensors.check import check_tensors
from pipeline.tensors.details import TensorsDetails


def current_findings(tensors: Artefact) -> list[Finding]:
    return check_tensors(
        tensors.details_as(TensorsDetails), {name: tensors.path(f"{name}.arrow") for name in ("train", "test")}
    )
