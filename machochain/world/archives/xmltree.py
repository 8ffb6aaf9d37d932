"""XML of strangers: no document type, no entities, bounded in depth and number. ElementTree offers neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from machochain.model.errors import InputError
from machochain.model.value import Factory, define

_DEPTH: Final = 64
_NODES: Final = 1_000_000
_TEXT: Final = 64 << 10


@define(eq=False)
class Element:
    """One element.

    Attributes:
        tag: Its name.
        attributes: Its attributes.
        text: The text in it, that of its children left out; no more than 64 KiB.
        children: Its children.
    """

    tag: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = Factory(list)

    def all(self, tag: str) -> Iterator[Element]:
        """Yield the children of a name."""
        return (child for child in self.children if child.tag == tag)

    def first(self, tag: str) -> Element | None:
        """Return the first child of a name: some tools write a property twice."""
        return next(self.all(tag), None)

    def value(self, tag: str) -> str:
        """Return the text of the first child of a name, without the space around it; empty if there is none."""
        child = self.first(tag)
        return "" if child is None else child.text.strip()

    def number(self, tag: str) -> int | None:
        """Return the number in the first child of a name; None if there is none."""
        text = self.value(tag)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None

    def walk(self) -> Iterator[Element]:
        """Yield this element and all in it."""
        pending = [self]
        while pending:
            here = pending.pop()
            yield here
            pending += reversed(here.children)


def parse_xml(data: bytes) -> Element:
    """Return the root of a document.

    Raises:
        InputError: It is not well formed, too deep or too large, or it declares a document type.
    """
    top = Element("", {})
    path = [top]
    nodes = 0
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal nodes
        nodes += 1
        if nodes > _NODES or len(path) > _DEPTH:
            raise InputError("holds more or deeper elements than are looked at")
        element = Element(tag, attributes)
        path[-1].children.append(element)
        path.append(element)

    def end(_: str) -> None:
        path.pop()

    def characters(text: str) -> None:
        here = path[-1]
        if len(here.text) < _TEXT:
            here.text += text

    def doctype(*_: object) -> None:
        raise InputError("declares a document type, which nobody needs here")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise InputError(f"is no XML: {expat.ErrorString(error.code)}", offset=error.offset) from None
    except (ValueError, LookupError, MemoryError) as error:
        raise InputError(f"is no XML: {error}") from None
    return top.children[0]
