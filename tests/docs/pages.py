"""The documentation as data: the code blocks, links, pictures and headings of every page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
_COMMENT = re.compile(r"<!--\s*(?P<name>[a-z]+):\s*(?P<value>.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced code block. `marks` are the comments right above it, `<!-- name: value -->`, which no reader sees."""

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Link:
    """One link or picture."""

    page: Path
    target: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)} -> {self.target}"


def pages() -> list[Path]:
    """Return every page of the documentation."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def parsed(page: Path) -> tuple[Token, ...]:
    """Return a page's tokens."""
    return tuple(MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")))


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return a page's code blocks, of these languages if any are named, in order."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    for token in parsed(page):
        if token.type == "html_block":
            marks |= {mark["name"]: mark["value"] for mark in _COMMENT.finditer(token.content)}
        elif token.type == "fence" and token.map is not None:
            found.append(Block(page, token.map[0] + 1, token.info.strip(), token.content, marks))
            marks = {}
        elif token.type not in {"list_item_open", "list_item_close"}:
            marks = {}
    return [block for block in found if not languages or block.language in languages]


def every_block(*languages: str) -> list[Block]:
    """Return the code blocks of all pages."""
    return [block for page in pages() for block in blocks(page, *languages)]


def links(page: Path) -> list[Link]:
    """Return a page's links and pictures."""
    return [Link(page, target) for token in _inline(page) for target in _targets(token)]


def _inline(page: Path) -> Iterator[Token]:
    for token in parsed(page):
        yield from token.children or ()


def _targets(token: Token) -> Iterator[str]:
    if token.type == "link_open":
        yield str(token.attrs["href"])
    elif token.type == "image":
        yield str(token.attrs["src"])


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the fragments that a page's headings can be linked by, as GitHub makes them."""
    tokens = parsed(page)
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    return frozenset(_slug(heading) for heading in headings)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table_rows(page: Path, *columns: str) -> list[dict[str, str]]:
    """Return the rows of a page's tables that have these columns first, each by column."""
    found: list[dict[str, str]] = []
    cells: list[str] = []
    head: list[str] = []
    for at, token in enumerate(parsed(page)):
        if token.type == "thead_open":
            head = []
        elif token.type in {"th_open", "td_open"}:
            cells.append(parsed(page)[at + 1].content)
        elif token.type == "tr_close":
            if not head:
                head = cells
            elif tuple(head[: len(columns)]) == columns:
                found.append(dict(zip(head, cells, strict=True)))
            cells = []
    return found
