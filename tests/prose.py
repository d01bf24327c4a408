"""Fails where prose is hard to read: `python tests/prose.py PATH...`, which `make check` runs.

Counts wordings in the docstrings, comments and strings of Python and TypeScript, and in Markdown
outside code blocks. Up to `LIMIT` per 1,000 words pass, as each of these is right in some sentence.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIMIT = 1.0
"""Wordings per 1,000 words; starlette, httpx, websockets and uvicorn have 0 to 0.7."""

BE = r"(?:is|are|was|were)"
BEFORE = r"(?:and|by|drop|for|from|is|keep|of|that|to|with)"
AFTER = r"(?:remains|nobody|it|they|an?|the)"

WORDINGS = {
    r"\b(?:tell(?:s|ing)?|told)\b": "report, send, publish or describe",
    rf"(?:^|[.;:,(]\s+|\b{BEFORE}\s+)what (?:{BE}|has|had|comes?|came|follows|{AFTER})\b": (
        "name the thing: `expired events`, not `what is no longer kept`"
    ),
    r"(?:^|[.;:]\s+)Who(?:ever)?\b(?![^.]*\?)": "name them: `new clients`, not `who joins`",
    r"\b[Ss]o (?:many|much|long)\b(?! as\b)": "give the number, or a name for it",
    rf"\b{BE} no (?!longer\b|more\b|other\b)[a-z]+": "negate the verb: `it is not JSON`",
    rf"\b{BE} gone\b": "closed, expired or disconnected",
    r"\bbehind (?:it|that|this|the event|an? id)\b": "after",
    r"\b(?:takes?|took) nothing\b": "reads no data",
    r"\b(?:anew|for good|likewise|besides)\b": "again, permanently, also, or nothing",
    r"\b(?:farewells?|goodbyes?|signs? of life)\b": "close, shutdown or heartbeat",
    r"\b(?:whatsoever|there(?:of|upon)|hitherto|whence|thence|henceforth|lest)\b": "a modern word",
}

TYPESCRIPT = re.compile(r"""/\*.*?\*/|//[^\n]*|'[^'\n]*'|"[^"\n]*"|`[^`]*`""", re.DOTALL)
"""A comment or a string."""

CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


class Hit(NamedTuple):
    """A wording that was found, and where."""

    path: Path
    line: int
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text!r}: {self.advice}"


def main(paths: list[str]) -> int:
    hits: list[Hit] = []
    words = 0
    for path in chain.from_iterable(map(files, map(Path, paths))):
        for line, text in texts(path):
            words += len(re.findall(r"[A-Za-z']+", text))
            hits += find(path, line, text)
    rate = 1000 * len(hits) / max(1, words)
    if rate > LIMIT:
        print(*hits, sep="\n")
    print(f"prose: {rate:.2f} of {LIMIT} wordings per 1,000 words, in {words:,} words")
    return rate > LIMIT


def files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in {".py", ".ts", ".md"})


def texts(path: Path) -> Iterable[tuple[int, str]]:
    """The texts of a file, each with its first line's number."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return python_texts(source)
    if path.suffix == ".md":
        return [(1, CODE_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), source))]
    return (
        (source.count("\n", 0, match.start()) + 1, match[0])
        for match in TYPESCRIPT.finditer(source)
        if " " in match[0]
    )


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def find(path: Path, line: int, text: str) -> Iterator[Hit]:
    for pattern, advice in WORDINGS.items():
        for match in re.finditer(pattern, text, re.MULTILINE):
            at = line + text.count("\n", 0, match.start())
            yield Hit(path, at, " ".join(match[0].split()), advice)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
