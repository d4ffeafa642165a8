"""Identities with a given name as their fingerprint."""

from pipeline.storage.identity import Identity


class Named(Identity):
    """An identity that only a name decides; the name is its fingerprint."""

    def __init__(self, name: str) -> None:
        super().__init__("test", "1", {"name": name})

    @property
    def fingerprint(self) -> str:
        return str(self.decided_by["name"])
