"""Links and pictures: everything that a page points to is there."""

from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import ROOT, Link, anchors, links, pages

INTERNAL = [link for page in pages() for link in links(page) if not urlsplit(link.target).scheme]


@pytest.mark.parametrize("link", INTERNAL, ids=str)
def test_every_internal_link_resolves(link: Link) -> None:
    """A link or picture inside the documentation names a file that exists, and a heading that it has."""
    url = urlsplit(link.target)
    target = (link.page.parent / unquote(url.path)).resolve() if url.path else link.page
    assert target.exists(), f"{link}: there is no such file"
    assert ROOT in (target, *target.parents), f"{link}: leads out of the repository"
    if url.fragment:
        assert url.fragment in anchors(target), f"{link}: no such heading; there are {sorted(anchors(target))}"


def test_every_page_can_be_found() -> None:
    """Every page of `docs/` is reached from the README by links."""
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        ahead += [(page.parent / urlsplit(link.target).path).resolve() for link in links(page) if link in INTERNAL]
    lost = [str(page.relative_to(ROOT)) for page in pages() if page not in reached]
    assert not lost, f"link it from docs/index.md: {lost}"
