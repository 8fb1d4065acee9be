"""The public door: every name that it offers is documented, with the signature that it has."""

import inspect
from typing import Any, Final

import pytest

import monitoring
from tests.docs.pages import ROOT, Block, blocks, parsed

PAGE: Final = ROOT / "docs" / "reference" / "api.md"
SIGNATURES: Final = [block for block in blocks(PAGE) if "signature" in block.marks]
NAMES: Final = [name for name in monitoring.__all__ if not name.startswith("__")]


class _Bare(str):
    """An annotation that shows without quotation marks."""

    __slots__ = ()
    __repr__ = str.__str__


def _public(name: str) -> Any:
    found: Any = monitoring
    for part in name.split("."):
        found = getattr(found, part)
    return found


def signature(name: str) -> str:
    """Return the signature of a public name as its `def` has it."""
    signed = inspect.signature(_public(name))
    bare = [
        p if p.annotation is p.empty else p.replace(annotation=_Bare(_text(p.annotation)))
        for p in signed.parameters.values()
    ]
    returned = signed.return_annotation
    returned = returned if returned is signed.empty or returned is None else _Bare(_text(returned))
    return f"{name}{signed.replace(parameters=bare, return_annotation=returned)}"


def _text(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _members(name: str) -> list[str]:
    """Return the public methods and properties that a public class defines itself."""
    kind = _public(name)
    if not inspect.isclass(kind):
        return []
    members = (property, classmethod, type(_members))
    return [
        f"{name}.{key}" for key, value in vars(kind).items() if not key.startswith("_") and isinstance(value, members)
    ]


@pytest.mark.parametrize("block", SIGNATURES, ids=lambda block: str(block.marks["signature"]))
def test_a_signature_is_the_codes(block: Block) -> None:
    """What the page shows can be called as it is shown."""
    name = block.marks["signature"]
    assert _on_one_line(block.text) == signature(name)


def _on_one_line(text: str) -> str:
    return " ".join(text.split()).replace("( ", "(").replace(", )", ")")


def test_every_public_name_is_documented() -> None:
    """Each has a heading; each function and method has its signature or, for a property, is told by its name."""
    tokens = parsed(PAGE)
    headings = {tokens[at + 1].content.strip("`") for at, token in enumerate(tokens) if token.type == "heading_open"}
    assert set(NAMES) <= headings, f"no heading for {sorted(set(NAMES) - headings)}"
    shown = {block.marks["signature"] for block in SIGNATURES}
    functions = {name for name in NAMES if inspect.isfunction(_public(name))}
    assert functions <= shown, f"no signature of {sorted(functions - shown)}"
    text = PAGE.read_text(encoding="utf-8")
    members = {member for name in NAMES for member in _members(name)}
    assert not (missing := {member for member in members if member not in shown and f"`{member}`" not in text}), missing


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    """`help(monitoring.x)` is an answer, and a longer one where the signature does not say it all."""
    assert inspect.getdoc(_public(name))
