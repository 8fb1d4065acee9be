"""`name=value`, `'name': 'value'` and their relatives inside a text.

Traces, `repr`s, log lines, query strings, HTTP headers, command lines and JSON within JSON all write a name and then
its value. One pattern finds the names, a table says what each means, and only then is the value looked at; so one
pass is linear, and the value of a harmless name (`error='api_key=…'`) is itself read.
"""

from __future__ import annotations

import re
from typing import Final

from monitoring.scrubbing.marks import MARKS
from monitoring.scrubbing.names import Kind
from monitoring.scrubbing.readings import ANYWHERE, HEADERS, QUERY, SOURCE, USER, Reading
from monitoring.scrubbing.values import masked

_NAME: Final = re.compile(
    r"""(?<![\w-])
    (?:
        (?P<flag>--[\w-]++)(?=[ ])[ ]{1,2}                      # --password value
      | (?P<name>[\w-]++)
        (?:
            (?:\\{0,7}["'])?\]?[ \t]{0,3}(?::=|=>|==?|:)\s{0,3}   # name=  "name":  ['name'] =  name :=
          | \\{0,7}["'],\s{0,3}(?=[bBrRuUfF]?\\{0,7}["'])          # ('name', 'value')
        )
    )""",
    re.VERBOSE,
)
_OPENING: Final = re.compile(r"""[bBrRuUfF]{0,2}(?P<escape>\\*)(?P<quote>\"\"\"|'''|["'])""")
# A repeated group that is possessive matches too much in Python before 3.11.5 (gh-106052), so none is; at the end of a
# pattern it makes no difference.
# In the repr of a repr a backslash before a quote may be doubled: no quote after a backslash ends a value.
_BODY: Final = {
    '"': re.compile(r'(?:[^"\\]|\\++.)*', re.DOTALL),
    "'": re.compile(r"(?:[^'\\]|\\++.)*", re.DOTALL),
    '"""': re.compile(r'(?:[^"\\]|\\++.|"(?!""))*', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]|\\++.|'(?!''))*", re.DOTALL),
}
# Without quotes a value ends at a space, and at punctuation that nothing of the same word follows, or a further pair.
_BARE: Final = re.compile(
    rf"""(?:{"|".join(map(re.escape, MARKS))}
      | [^\s&"'<>,;)}}\]\\]
      | [,;)}}\]](?!$|[\s,;)}}\]"'&<>\\]|[\w.-]{{1,64}}["']?[ ]?[=:])
      | \\(?![nrt"'\\])
    )*""",
    re.VERBOSE,
)
_SCHEME: Final = re.compile(r"(?i:basic|bearer|hmac|hmac-sha256|digest|token|apikey|negotiate|zinc)[ \t]{1,3}(?=[^\s])")
# A cookie or an authorization goes on to the end of its line.
_LINE: Final = re.compile(r"""(?:[^\r\n"'=\\]|="[^"\r\n]*+"?|=|\\(?![nr"']))*""")
_LINE_NAMES: Final = (
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "http_cookie",
    "http_authorization",
)
_BRACKETS: Final = re.compile(r"[\[\](){}]")
_ANNOTATION: Final = re.compile(r"[\w.\[\]| ]{1,60}=\s{0,2}")
_LITERAL_NUMBER: Final = re.compile(r"\d{4,}\b")

# Where a text quotes a request: "headers={…}", "RequestHeaders: {…}", and the request itself as it goes over the wire.
_HEADERS: Final = re.compile(
    r"""[Hh]eaders?["']?\s{0,2}[=:(,]\s{0,2}(?:[\w.]{1,40}\()?[\[{(]|HTTP/[12](?:\.\d)?(?:\\?["'])?(?:\\r\\n|\r?\n)"""
)


def scrub_pairs(text: str, reading: Reading = ANYWHERE) -> str:
    """Return the text without the values of names that tell a secret; the same object if there is none."""
    if "=" not in text and ":" not in text and "," not in text and "--" not in text:
        return text
    header_regions = _header_regions(text) if _may_change(reading) else ()
    kept: list[str] = []
    done = at = 0
    while found := _NAME.search(text, at):
        at = found.end()
        kind = _kind(text, found, reading, header_regions)
        if kind is Kind.PLAIN:
            continue
        start, end = _value(text, at, _bare_name(text, found), reading)
        mark = masked(kind, text[start:end])
        if mark is None:
            continue
        kept += text[done:start], mark
        done = at = end
    return "".join(kept) + text[done:] if kept else text


def _bare_name(text: str, found: re.Match[str]) -> str:
    name = found["flag"] or found["name"]
    start = found.start()
    # In the repr of a text the n of an escaped line end runs into the name: \r\nKEY
    if start and text[start - 1] == "\\" and name[0] in "nrt":
        name = name[1:]
    return name.strip("-")


def _kind(text: str, found: re.Match[str], reading: Reading, header_regions: tuple[tuple[int, int], ...]) -> Kind:
    start = found.start()
    if _may_change(reading):
        if start and text[start - 1] in "?&":
            reading = QUERY
        elif any(first <= start < last for first, last in header_regions):
            reading = HEADERS
    return reading.classify(_bare_name(text, found))


def _may_change(reading: Reading) -> bool:
    """Tell whether a text may quote a URL or headers, which are read as such."""
    return reading is ANYWHERE or reading is USER


def _value(text: str, at: int, name: str, reading: Reading) -> tuple[int, int]:
    """Return where the value begins and ends; empty where there is none to judge."""
    if reading is SOURCE:
        annotation = _ANNOTATION.match(text, at)
        at = annotation.end() if annotation else at
    opening = _OPENING.match(text, at)
    if opening is not None:
        return _quoted(text, opening)
    if reading is SOURCE:
        number = _LITERAL_NUMBER.match(text, at)
        return (at, number.end()) if number else (at, at)
    if text.startswith(("[", "{", "("), at) and not text.startswith(MARKS, at):
        return at, _end(_BARE, text, _closing(text, at))
    if name.lower() in _LINE_NAMES:
        return at, _end(_LINE, text, at)
    scheme = _SCHEME.match(text, at)
    return at, _end(_BARE, text, scheme.end() if scheme else at)


def _quoted(text: str, opening: re.Match[str]) -> tuple[int, int]:
    start = opening.end()
    if opening["escape"]:
        end = text.find(opening["escape"] + opening["quote"], start)
        return start, end if end >= 0 else len(text)
    return start, _end(_BODY[opening["quote"]], text, start)


def _closing(text: str, at: int) -> int:
    depth = 0
    for bracket in _BRACKETS.finditer(text, at):
        depth += 1 if bracket[0] in "[{(" else -1
        if depth == 0:
            return bracket.end()
    return len(text)


def _header_regions(text: str) -> tuple[tuple[int, int], ...]:
    if "eader" not in text and "HTTP/" not in text:
        return ()
    regions: list[tuple[int, int]] = []
    for found in _HEADERS.finditer(text):
        if regions and found.start() < regions[-1][1]:
            continue
        last = _closing(text, found.end() - 1) if found[0][-1] in "[{(" else len(text)
        regions.append((found.end(), last))
    return tuple(regions)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
