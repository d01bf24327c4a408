"""XML elements of an XTCE database: their fields, and the names that they refer to.

Elements are found by their local names, so any version of the namespace is read.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from lxml import etree

from sources.base import SourceError
from sources.values.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 32
"""Maximum number of space systems in each other, of base types and of base commands."""


def parse_xml(name: str, data: bytes) -> Element:
    """The root of an XML document. Entities, DTDs and the network are not used.

    Raises:
        SourceError: it is not XML, or has a DTD.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    if b"<!DOCTYPE" in data:
        raise SourceError(f"{name}: must have no document type (DTD)")
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise SourceError(f"{name}: is not valid XML: {exc}") from exc
    if root.getroottree().docinfo.internalDTD is not None:
        raise SourceError(f"{name}: must have no document type (DTD)")
    return Element(name, root)


class Element:
    """An element with its fields.

    Args:
        file: name of its file, for errors.
        node: of lxml.
    """

    def __init__(self, file: str, node: etree._Element) -> None:
        self._file = file
        self._node = node

    @property
    def tag(self) -> str:
        """Its local name."""
        return str(etree.QName(self._node).localname)

    def inheriting(self, base: Element) -> Element:
        """The element with the attributes and children of a base that it does not replace."""
        node = deepcopy(base._node)
        node.attrib.update(self._node.attrib)
        own = {child.tag for child in self.children()}
        for child in base.children():
            if child.tag in own:
                node.remove(next(one for one in node if Element("", one).tag == child.tag))
        node.extend(deepcopy(child._node) for child in self.children())
        return Element(self._file, node)

    def error(self, text: str) -> SourceError:
        """An error at its line."""
        return SourceError(f"{self._file}:{self._node.sourceline}: {self.tag}: {text}")

    def get(self, name: str, default: str = "") -> str:
        """An attribute."""
        return str(self._node.get(name, default))

    def required(self, name: str) -> str:
        """An attribute that must not be empty.

        Raises:
            SourceError: it is missing.
        """
        if not (value := self.get(name).strip()):
            raise self.error(f"lacks {name}")
        return value

    def number(self, name: str) -> float | None:
        """An attribute that is a number; `None` if it is missing.

        Raises:
            SourceError: it is not a number.
        """
        text = self._node.get(name)
        if text is None:
            return None
        try:
            return int(text[:400], 0) if not set(text) & set(".eE") else float(text)
        except ValueError:
            raise self.error(f"{name}={quoted(str(text))}: must be a number") from None

    def children(self, *tags: str) -> Iterator[Element]:
        """Its children with one of these tags; all of them without a tag."""
        for node in self._node:
            child = Element(self._file, node)
            if isinstance(node.tag, str) and (not tags or child.tag in tags):
                yield child

    def at(self, *path: str) -> Iterator[Element]:
        """The elements at a path of tags below it."""
        if not path:
            yield self
            return
        for child in self.children(path[0]):
            yield from child.at(*path[1:])

    @property
    def text(self) -> str:
        """Its text, without blanks around it."""
        return str(self._node.text or "").strip()
