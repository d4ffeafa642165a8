"""Reading: a page's elements as a list, to state facts about it."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "link", "img", "input", "br", "line"}


@dataclass
class Element:
    """One element: its attributes, the elements around it, and all text in it."""

    tag: str
    attributes: dict[str, str | None]
    around: tuple[str, ...]  # tags, outermost first
    text: str = ""


@dataclass
class Page(HTMLParser):
    """A page parsed into its parts."""

    content: str
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.content)
        assert self.open == [], f"never closed: {[element.tag for element in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), tuple(element.tag for element in self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), tuple(element.tag for element in self.open)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        closed = self.open.pop()
        assert closed.tag == tag, f"</{tag}> closes <{closed.tag}>"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def missing(self) -> list[str]:
        """Return the sentences on parts that are not shown."""
        return [" ".join(element.text.split()) for element in self.all("li", "p") if "is not shown:" in element.text]

    @property
    def text(self) -> str:
        """Return the visible text, approximately."""
        (body,) = self.all("main")
        return " ".join(body.text.split())

    @property
    def data(self) -> Any:
        (script,) = [element for element in self.all("script") if element.attributes.get("id") == "data"]
        return json.loads(script.text)


def read_page(file: Path) -> Page:
    """The page in a file."""
    return Page(file.read_text(encoding="utf-8"))
