"""Identities whose fingerprint is the name a test gives them."""

from pipeline.storage.identity import Identity


class Named(Identity):
    """Made from nothing but a name, which is its fingerprint."""

    def __init__(self, name: str) -> None:
        super().__init__("test", "1", {"name": name})

    @property
    def fingerprint(self) -> str:
        return str(self.decided_by["name"])
