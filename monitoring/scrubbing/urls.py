"""What is secret about a URL: who logs in, webhook paths, keys of chain nodes. Scheme, host and database stay.

Parameters of the query are `name=value` pairs and taken care of as such.
"""

from __future__ import annotations

import re
from typing import Final

from monitoring.scrubbing.marks import FILTERED

_URL: Final = re.compile(r"""(?<![\w+.-])[\w+.-]++:\\{0,4}/\\{0,4}/[^\s"'<>`]++""")
_NEXT_URL: Final = re.compile(r"[;,](?=[\w+.-]{1,40}:\\{0,4}/\\{0,4}/)")
_SLASHES: Final = re.compile(r":\\{0,4}/\\{0,4}/")
_END_OF_AUTHORITY: Final = re.compile(r"[/?#\\]")
_PORT: Final = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::\d{0,5})?[)\].,;]*")

# Only in these may an @ stand further right, in the path; in a broker's or a database's URL it is the password's.
_WEB_SCHEMES: Final = ("http", "https", "ws", "wss")

# host's end -> what follows it up to the secret, and the secret. The group before the secret stays.
_SECRET_PATHS: Final = (
    (("hooks.slack.com",), re.compile(r"(/(?:services|workflows|triggers)/)[^\s?#]+")),
    (("discord.com", "discordapp.com"), re.compile(r"(/api/(?:v\d+/)?webhooks/)[^\s?#]+")),
    (
        ("webhook.office.com", "outlook.office.com", "logic.azure.com"),
        re.compile(r"(/webhook[^/]*/|/workflows/)[^\s?#]+"),
    ),
    (("hooks.zapier.com", "maker.ifttt.com"), re.compile(r"(/hooks/catch/|/with/key/)[^\s?#]+")),
    (
        ("infura.io", "alchemy.com", "alchemyapi.io", "moralis-nodes.com", "blastapi.io", "drpc.org"),
        re.compile(r"(/)[\w-]{16,}"),
    ),
    (
        (
            "quiknode.pro",
            "quicknode.com",
            "ankr.com",
            "chainstack.com",
            "getblock.io",
            "blockpi.network",
            "nodereal.io",
            "p2pify.com",
        ),
        re.compile(r"(/)[\w-]{16,}"),
    ),
)
# Whatever the host: a Telegram bot's token, and Binance's listen key (public stream names are short).
_TELEGRAM: Final = re.compile(r"(/(?:file/)?bot)\d{4,12}:[\w-]{16,}+")
_LISTEN_KEY: Final = re.compile(r"(/(?:ws|stream)/)[A-Za-z0-9]{60,}+")


def scrub_urls(text: str) -> str:
    """Return the text with its URLs fit to be shown; the same object if it has none."""
    if "//" not in text and "/\\" not in text and "/bot" not in text and "/ws/" not in text:
        return text
    text = _URL.sub(lambda found: _scrub_several(found[0]), text)
    # Also where only the path is shown, as in urllib3's "Max retries exceeded with url: /bot…".
    text = _TELEGRAM.sub(rf"\1{FILTERED}", text)
    return _LISTEN_KEY.sub(rf"\1{FILTERED}", text)


def _scrub_several(urls: str) -> str:
    """Scrub one URL, or the list of them that a fail-over broker setting is."""
    starts = [0, *(found.end() for found in _NEXT_URL.finditer(urls))]
    ends = [*starts[1:], len(urls)]
    return "".join(_scrub_url(urls[start:end]) for start, end in zip(starts, ends, strict=True))


def _scrub_url(url: str) -> str:
    slashes = _SLASHES.search(url)
    if slashes is None:
        return url
    head, rest = url[: slashes.end()], url[slashes.end() :]
    rest = _without_login(head[: slashes.start()].lower(), rest)
    host_end = _authority_end(rest)
    host, path = rest[:host_end].rpartition("@")[2].partition(":")[0].lower(), rest[host_end:]
    for hosts, secret in _SECRET_PATHS:
        if host.endswith(hosts):
            path = secret.sub(rf"\1{FILTERED}", path.replace("\\/", "/"), count=1)
    return head + rest[:host_end] + path


def _without_login(scheme: str, rest: str) -> str:
    end = _authority_end(rest)
    # A password may hold a slash that nobody escaped: then what looks like the port is no number.
    if scheme.rpartition("+")[2] in _WEB_SCHEMES and ("@" in rest[:end] or _PORT.fullmatch(rest[:end])):
        at = rest.rfind("@", 0, end)
    else:
        at = rest.rfind("@")
    return rest if at < 0 else f"{FILTERED}{rest[at:]}"


def _authority_end(rest: str) -> int:
    found = _END_OF_AUTHORITY.search(rest)
    return found.start() if found else len(rest)
