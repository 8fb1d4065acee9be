"""Signed requests of real exchange clients: what each of them really puts into headers, URLs and bodies."""

import base64
import re
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from monitoring.scrubbing import register_secret, scrub_text, scrub_value

ccxt = pytest.importorskip("ccxt", reason="the exchange extra is not installed")

KEY = "kEyCanary7f3A9c2B5d8E1f4A6c9B2d5E8f1A4c7B0dKEY"
PASSWORD = "pAssCanary9x8Y7z6W5v"
SECRETS = (
    base64.b64encode(b"sEcretCanary0123456789sEcretCanary0123456789sEcretCanary01234567").decode(),
    "1" * 64,
    "0x" + "1" * 64,
)
# What a header may show: the time, the format, who the client is, and whom the exchange calls its partner.
HARMLESS = re.compile(
    r"(?i)timestamp|expires|expiry|nonce|recv|window|content-type|accept|time\b|date|version|algorithm|method|type|client\b|agent|"
    r"broker|partner|referr?er|channel|source\b|x-bitopro-api|decimal|language|site|lang|origin|tonce|deadline|signer|account|user|"
    r"chain|subaccount|vertical|device|host|locale|platform|app-id|x-auth-sign-type|x-signtype|connector|integrat|stamp|digest|appid|proxy|-ts$"
)
# One method of each exchange is called for each of these groups of its API.
GROUP = re.compile(r"^(.*?)(?:Get|Post|Put|Delete|Patch)[A-Z0-9]")


class Request(NamedTuple):
    """What would have gone over the wire."""

    exchange: str
    url: str
    headers: dict[str, Any]
    body: Any


class Caught(Exception):  # noqa: N818  # not an error: the request is what we came for
    """Carries a signed request out of a client, instead of sending it."""


def signed_requests(name: str) -> Iterator[Request]:
    """Sign one request of each group of an exchange's API, and send none."""
    for secret in SECRETS:
        client = getattr(ccxt, name)(
            {
                "apiKey": KEY,
                "secret": secret,
                "password": PASSWORD,
                "uid": "uIdCanary1234567",
                "twofa": "JBSWY3DPEHPK3PXP",
                "privateKey": "0x" + "12" * 32,
                "walletAddress": "0x" + "ab" * 20,
                "enableRateLimit": False,
                "accountId": "1",
            }
        )

        def fetch(url: str, _method: str = "GET", headers: Any = None, body: Any = None) -> None:
            raise Caught(url, dict(headers or {}), body)

        client.fetch = fetch
        groups: dict[str, str] = {}
        for method in dir(client):
            group = GROUP.match(method)
            if group:
                groups.setdefault(f"{group[1]}{'Post' if 'Post' in method else ''}", method)
        for method in groups.values():
            try:
                getattr(client, method)({"symbol": "BTCUSDT", "amount": "1.5"})
            except Caught as caught:
                yield Request(name, *caught.args)
            except Exception:  # noqa: BLE001  # this secret is not of the form that this exchange signs with
                continue


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    """Signed requests of every exchange that ccxt knows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [request for name in ccxt.exchanges for request in signed_requests(name)]


def test_the_corpus_is_of_nearly_all_exchanges(requests: list[Request]) -> None:
    """The promises below are about hundreds of real requests of nearly every exchange."""
    signed = {request.exchange for request in requests if KEY in str(request)}
    assert len(signed) > 70, sorted(signed)
    assert {"binance", "okx", "kraken", "kucoin", "bybit", "gate", "bitget", "coinbaseexchange"} <= signed


def test_no_key_or_passphrase_is_left_in_a_request(requests: list[Request]) -> None:
    """Neither in the headers, nor in the URL, nor in the body, as data and as the text of a log line."""
    left = set()
    for name, url, headers, body in requests:
        cleaned = scrub_value({"url": url, "headers": headers, "body": body})
        line = scrub_text(f"Request: {name} POST {url} RequestHeaders: {headers} RequestBody: {body}")
        left |= {(name, str(cleaned)) for secret in (KEY, PASSWORD) if secret in str(cleaned)}
        left |= {(name, line) for secret in (KEY, PASSWORD) if secret in line}
    assert left == set()


def test_headers_that_are_left_are_harmless(requests: list[Request]) -> None:
    """Whatever a client adds to a request is taken out, but for times, formats and names of programs."""
    left = {
        (header, request.exchange)
        for request in requests
        for header, value in scrub_value({"headers": request.headers})["headers"].items()
        if not str(value).startswith(("[Filtered]", "[address ", "None")) and not HARMLESS.search(header)
    }
    assert left == set()


def test_parameters_that_are_left_are_harmless(requests: list[Request]) -> None:
    """No parameter of a URL is left that looks random, but for what the caller himself asked for."""
    left = {
        (name, value, request.exchange)
        for request in requests
        for name, value in re.findall(r"[?&]([\w\[\]]+)=([^&]*)", scrub_text(request.url))
        if len(value) > 15 and value != "[Filtered]" and not HARMLESS.search(name)
    }
    assert left == set()


def test_times_and_symbols_stay(requests: list[Request]) -> None:
    """An operator still sees what was asked, and when."""
    binance = next(request for request in requests if request.exchange == "binance" and "signature=" in request.url)
    cleaned = scrub_text(binance.url)
    assert "symbol=BTCUSDT" in cleaned
    assert re.search(r"timestamp=\d{13}", cleaned)
    assert "signature=[Filtered]" in cleaned


def test_a_registered_key_is_found_in_encoded_bodies(requests: list[Request]) -> None:
    """Some exchanges take the request as base64, which no name gives away."""
    register_secret(KEY)
    decoded = [scrub_value(request.body) for request in requests if request.body]
    left = [body for body in decoded if isinstance(body, str) and KEY in _unpacked(body)]
    assert left == []


def _unpacked(body: str) -> str:
    try:
        return base64.b64decode(body).decode("utf-8", "replace")
    except ValueError:
        return ""
