"""Every form of secret in every place of every item."""

import enum
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sentry_sdk.attachments import Attachment

from monitoring.scrubbing import (
    register_secret,
    scrub_breadcrumb,
    scrub_check_in,
    scrub_event,
    scrub_log,
    scrub_metric,
    scrub_span,
    scrub_transaction,
)

HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TOKEN = "cAn4ry7Tok3nV4lu3Xy"  # what must not be found again
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{TOKEN}abcdefghijklmnop"
PEM_BODY = "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY"
PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
REGISTERED = "registered-Live-Secret-0123456789"

# Each text holds a secret, and the part of it that must be gone.
FORMS: dict[str, tuple[str, str]] = {
    "signed url": (f"GET https://api.binance.com/api/v3/account?timestamp=1&signature={HEX}", HEX),
    "signed path": (f"Max retries exceeded with url: /api/v3/order?symbol=BTC&signature={HEX} (Caused by x)", HEX),
    "key in a query": (f"/webhook?key={TOKEN}&x=1", TOKEN),
    "url in a url": (f"/login?next=https%3A%2F%2Fx.example%2F%3Fa%3D1%26api_key%3D{TOKEN}%26b%3D2", TOKEN),
    "baggage": (f"sentry-trace_id=1,note=passphrase%3d{TOKEN},x=1", TOKEN),
    "key and value": (f"api_key={TOKEN}, symbol=BTC/USDT", TOKEN),
    "environment": (f"BINANCE_API_SECRET={TOKEN}", TOKEN),
    "python repr": (f"{{'apiKey': '{TOKEN}', 'symbol': 'BTC/USDT'}}", TOKEN),
    "dataclass repr": (f"Account(name='x', api_secret='{TOKEN}', testnet=False)", TOKEN),
    "bytes repr": (f"{{'secret': b'{TOKEN}'}}", TOKEN),
    "escaped quote in a repr": (f"{{'password': 'x\\'{TOKEN}'}}", TOKEN),
    "json": (f'{{"passphrase": "{TOKEN}"}}', TOKEN),
    "json in json": (f'{{"body": "{{\\"apiKey\\": \\"{TOKEN}\\"}}"}}', TOKEN),
    "yaml": (f"private_key: {TOKEN}", TOKEN),
    "subscript": (f"config['api_key'] = '{TOKEN}'", TOKEN),
    "nested repr": (f"credentials={{'a': {{'b': '{TOKEN}'}}, 'c': 1}} next", TOKEN),
    "pairs": (f"[('OK-ACCESS-KEY', '{TOKEN}'), ('Accept', '*/*')]", TOKEN),
    "header line": (f"OK-ACCESS-PASSPHRASE: {TOKEN}", TOKEN),
    "headers of a request": (f"Request: gate POST RequestHeaders: {{'KEY': '{TOKEN}', 'SIGN': '{HEX}'}} x", TOKEN),
    "headers on the wire": (f"send: b'GET / HTTP/1.1\\r\\nHost: x\\r\\nSIGN: {TOKEN}\\r\\n\\r\\n'", TOKEN),
    "authorization": (f"Authorization: Basic {TOKEN}dGVzdDp0", TOKEN),
    "digest": (f'Authorization: Digest username="bob", response="{TOKEN}"', TOKEN),
    "bearer": (f"sent Bearer {TOKEN} to it", TOKEN),
    "cookie": (f"Cookie: a=1; session={TOKEN}; b=2", TOKEN),
    "command line": (f"worker --password {TOKEN} --loglevel info", TOKEN),
    "prose": (f"invalid api key {TOKEN} for account", TOKEN),
    "prose with a colon": (f"Private key: 0x{HEX}", HEX),
    "evm key": (f"privateKey=0x{HEX}", HEX),
    "jwt": (f"got {JWT} back", TOKEN),
    "flask session": (f"session eyJ1c2VyIjoxfQ.ZxYw12.{TOKEN}", TOKEN),
    "pem": (f"-----BEGIN EC PRIVATE KEY-----\n{PEM_BODY}\n-----END EC PRIVATE KEY-----", PEM_BODY),
    "pem on one line": (f"-----BEGIN PRIVATE KEY-----\\n{PEM_BODY}\\n-----END PRIVATE KEY-----", PEM_BODY),
    "pem cut off": (f"x -----BEGIN RSA PRIVATE KEY-----\n{PEM_BODY}", PEM_BODY),
    "recovery phrase": (f"the words are {PHRASE} and no more", PHRASE),
    "recovery phrase, a list": (repr(PHRASE.split()), "', 'winner', 'thank', '"),
    "redis": (f"Error 111 connecting to redis://:{TOKEN}@cache:6379/0.", TOKEN),
    "redis, user": (f"rediss://trader:{TOKEN}@cache:6379/0", TOKEN),
    "amqp": (f"amqp://trader:{TOKEN}@mq//", TOKEN),
    "at sign in a password": (f"redis://:p@{TOKEN}@cache:6379/0", TOKEN),
    "slash in a password": (f"postgresql+psycopg://u:p/{TOKEN}@db/x", TOKEN),
    "slash in a proxy's password": (f"http://u:p/{TOKEN}@proxy:8080", TOKEN),
    "sentinels": (f"sentinel://a:26379;sentinel://:{TOKEN}@b:26379", TOKEN),
    "mongodb": (f"mongodb+srv://u:{TOKEN}@a,b/db", TOKEN),
    "proxy": (f"socks5://u:{TOKEN}@proxy:1080", TOKEN),
    "old sentry dsn": (f"https://public:{TOKEN}@sentry.example/1", TOKEN),
    "escaped slashes": (f'{{"u":"https:\\/\\/u:{TOKEN}@h\\/x"}}', TOKEN),
    "telegram": ("https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage", "AAHdqTcv"),
    "telegram, bare": ("token 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "AAHdqTcv"),
    "slack": ("https://hooks.slack.com/services/T00000000/B00000000/XXXXabcdefgh", "B00000000"),
    "discord": (f"https://discord.com/api/webhooks/123456/{TOKEN}", TOKEN),
    "infura": (f"https://mainnet.infura.io/v3/{HEX[:32]}", HEX[:32]),
    "quicknode": (f"wss://a-b.solana-mainnet.quiknode.pro/{HEX[:40]}/", HEX[:40]),
    "listen key": (f"wss://stream.binance.com:9443/ws/{'aB3' * 21}", "aB3aB3"),
    "aws": ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSF"),
    "github": (f"remote ghp_{TOKEN}abcdefghijklmnopq rejected", TOKEN),
    "stripe": (f"stripe sk_live_{TOKEN}", TOKEN),
    "slack token": (f"xoxb-1234567890-{TOKEN}", TOKEN),
    "sentry token": (f"sntrys_{TOKEN}{TOKEN}", TOKEN),
    "e-mail": ("mail trader.joe+bots@example.co.uk bounced", "trader.joe"),
    "e-mail at the end of a sentence": ("ask trader.joe@example.co.uk. Then wait", "trader.joe"),
    "card": ("card 4111 1111 1111 1111 declined", "4111 1111"),
    "iban": ("to DE89 3704 0044 0532 0130 00 failed", "0532 0130"),
    "registered": (f"handshake {REGISTERED} refused", "Live-Secret"),
}


def frame(**parts: Any) -> dict[str, Any]:
    """Return a stack frame of the application's."""
    return {"function": "f", "module": "app.bot", "lineno": 1, **parts}


def error(**parts: Any) -> Any:
    """Return an error event."""
    return {"event_id": "a" * 32, "exception": {"values": [{"type": "E", "value": "x", **parts}]}}


def stack(item: dict[str, Any]) -> Any:
    """Return an error event with one frame."""
    return error(stacktrace={"frames": [item]})


Item = Callable[[str], Any]
PLACES: dict[str, tuple[Callable[..., Any], Item]] = {
    "exception value": (scrub_event, lambda text: error(value=text)),
    "exception type": (scrub_event, lambda text: error(type=text)),
    "mechanism": (scrub_event, lambda text: error(mechanism={"data": {"x": text}})),
    "frame variable": (scrub_event, lambda text: stack(frame(vars={"x": text}))),
    "frame variable's repr": (scrub_event, lambda text: stack(frame(vars={"x": repr(text)}))),
    "nested variable": (scrub_event, lambda text: stack(frame(vars={"x": {"y": [text]}}))),
    "variable of a closed frame": (scrub_event, lambda text: stack(frame(module="ccxt.okx", vars={"x": text}))),
    "threads": (
        scrub_event,
        lambda text: {"threads": {"values": [{"stacktrace": {"frames": [frame(vars={"x": text})]}}]}},
    ),
    "stacktrace": (scrub_event, lambda text: {"stacktrace": {"frames": [frame(vars={"x": text})]}}),
    "message": (scrub_event, lambda text: {"message": text}),
    "logentry message": (scrub_event, lambda text: {"logentry": {"message": text}}),
    "logentry formatted": (scrub_event, lambda text: {"logentry": {"message": "%s", "formatted": text}}),
    "logentry params": (scrub_event, lambda text: {"logentry": {"message": "%s", "params": [text]}}),
    "breadcrumb message": (scrub_event, lambda text: {"breadcrumbs": {"values": [{"message": text}]}}),
    "breadcrumb data": (scrub_event, lambda text: {"breadcrumbs": {"values": [{"data": {"x": [text]}}]}}),
    "breadcrumb list": (scrub_event, lambda text: {"breadcrumbs": [{"message": text}]}),
    "extra": (scrub_event, lambda text: {"extra": {"x": text}}),
    "argv": (scrub_event, lambda text: {"extra": {"sys.argv": ["celery", text]}}),
    "context": (scrub_event, lambda text: {"contexts": {"x": {"y": text}}}),
    "attempts": (scrub_event, lambda text: {"contexts": {"attempts": {"records": [{"message": text}]}}}),
    "tag": (scrub_event, lambda text: {"tags": {"x": text}}),
    "tag list": (scrub_event, lambda text: {"tags": [["x", text]]}),
    "key": (scrub_event, lambda text: {"extra": {text: 1}}),
    "user": (scrub_event, lambda text: {"user": {"id": "1", "data": {"x": text}}}),
    "request url": (scrub_event, lambda text: {"request": {"url": text}}),
    "request body": (scrub_event, lambda text: {"request": {"data": text}}),
    "request json": (scrub_event, lambda text: {"request": {"data": {"x": text}}}),
    "request query": (scrub_event, lambda text: {"request": {"query_string": text}}),
    "request header": (scrub_event, lambda text: {"request": {"headers": {"X-Note": text}}}),
    "request cookie": (scrub_event, lambda text: {"request": {"cookies": {"x": text}}}),
    "request cookie text": (scrub_event, lambda text: {"request": {"cookies": text}}),
    "request environment": (scrub_event, lambda text: {"request": {"env": {"x": text}}}),
    "transaction name": (scrub_event, lambda text: {"transaction": text}),
    "fingerprint": (scrub_event, lambda text: {"fingerprint": ["{{ default }}", text]}),
    "logger": (scrub_event, lambda text: {"logger": text}),
    "unknown section": (scrub_event, lambda text: {"what_is_new": {"x": text}}),
    "bytes": (scrub_event, lambda text: {"extra": {"x": text.encode()}}),
    "tuple and set": (scrub_event, lambda text: {"extra": {"x": (text, {text})}}),
    "check-in": (scrub_check_in, lambda text: {"type": "check_in", "monitor_slug": text}),
    "span description": (scrub_transaction, lambda text: {"type": "transaction", "spans": [{"description": text}]}),
    "span data": (scrub_transaction, lambda text: {"type": "transaction", "spans": [{"data": {"http.url": text}}]}),
    "span tag": (scrub_transaction, lambda text: {"type": "transaction", "spans": [{"tags": {"x": text}}]}),
    "trace data": (
        scrub_transaction,
        lambda text: {"type": "transaction", "contexts": {"trace": {"data": {"x": text}}}},
    ),
    "crumb message": (scrub_breadcrumb, lambda text: {"message": text}),
    "crumb data": (scrub_breadcrumb, lambda text: {"data": {"x": {"y": text}}}),
    "log body": (scrub_log, lambda text: {"body": text, "attributes": {}}),
    "log attribute": (scrub_log, lambda text: {"body": "x", "attributes": {"x": text}}),
    "log template": (scrub_log, lambda text: {"body": "x", "attributes": {"sentry.message.template": text}}),
    "metric name": (scrub_metric, lambda text: {"name": text, "value": 1.0, "attributes": {}}),
    "metric attribute": (scrub_metric, lambda text: {"name": "x", "value": 1.0, "attributes": {"x": text}}),
    "streamed span name": (scrub_span, lambda text: {"name": text, "attributes": {}}),
    "streamed span attribute": (scrub_span, lambda text: {"name": "x", "attributes": {"url.full": text}}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_secret_leaves_from_any_place(form: str, place: str) -> None:
    """Each known form is taken out, wherever it stands."""
    register_secret(REGISTERED)
    text, secret = FORMS[form]
    hook, item = PLACES[place]
    cleaned = str(hook(item(text), {}))
    assert secret not in cleaned
    assert secret.replace("'", "\\'") not in cleaned


SOURCE = {
    "literal": ('API_KEY = "{}"', TOKEN),
    "annotated": ('api_key: str = "{}"', TOKEN),
    "argument": ('Client(apiKey="{}", secret=os.environ["SECRET"])', TOKEN),
    "fallback": ('os.environ.get("API_SECRET", "{}")', TOKEN),
    "mapping": ("config = {{'password': '{}'}}", TOKEN),
    "url": ('BROKER = "redis://:{}@cache/0"', TOKEN),
}


@pytest.mark.parametrize("line", ["pre_context", "context_line", "post_context"])
@pytest.mark.parametrize("form", SOURCE)
def test_literals_in_source_lines_do_not_leave(form: str, line: str) -> None:
    """A key that somebody wrote into the program does not leave with the line."""
    template, secret = SOURCE[form]
    text = template.format(secret)
    part = text if line == "context_line" else ["x = 1", text]
    assert secret not in str(scrub_event(stack(frame(**{line: part})), {}))


def test_source_lines_stay_readable() -> None:
    """What a variable is called is no secret: only literals are."""
    lines = [
        "def call(api_key: str, secret: str) -> None:",
        "    token = get_token(user)",
        "    sign(key=key, secret=self.secret)",
    ]
    item = frame(pre_context=lines, context_line="    password = os.environ['DB_PASSWORD']", post_context=[])
    assert scrub_event(stack(item), {}) == stack(item)


def test_a_key_over_several_source_lines_takes_all_of_them() -> None:
    """No line of a key that was written into the program leaves."""
    item = frame(
        pre_context=['KEY = """-----BEGIN PRIVATE KEY-----', PEM_BODY], context_line=PEM_BODY[::-1], post_context=["x"]
    )
    cleaned = str(scrub_event(stack(item), {}))
    assert PEM_BODY not in cleaned
    assert PEM_BODY[::-1] not in cleaned


def test_frames_of_libraries_that_handle_secrets_have_no_variables() -> None:
    """Celery's, ccxt's and the HTTP libraries' frames keep their place and line, and nothing else."""
    frames = [
        frame(module=name, vars={"x": "1"})
        for name in ("celery.app.trace", "ccxt.base.exchange", "requests.sessions", "hmac")
    ]
    frames.append({"abs_path": "/x/site-packages/kombu/connection.py", "vars": {"x": "1"}})
    cleaned: Any = scrub_event(error(stacktrace={"frames": frames}), {})
    assert [sorted(item) for item in cleaned["exception"]["values"][0]["stacktrace"]["frames"]] == [
        *([["function", "lineno", "module"]] * 4),
        ["abs_path"],
    ]


def test_parameters_of_a_message_are_hidden_with_it() -> None:
    """What the message may not show is not shown beside it."""
    entry = {"message": "api_key=%s symbol=%s", "formatted": f"api_key={TOKEN} symbol=BTC", "params": [TOKEN, "BTC"]}
    cleaned: Any = scrub_event({"logentry": entry}, {})
    assert cleaned["logentry"]["params"] == ["[Filtered]", "BTC"]
    log: Any = {
        "body": f"api_key={TOKEN}",
        "attributes": {"sentry.message.parameter.0": TOKEN, "sentry.message.template": "api_key=%s"},
    }
    assert scrub_log(log, {})["attributes"] == {
        "sentry.message.parameter.0": "[Filtered]",
        "sentry.message.template": "api_key=%s",
    }


def test_a_value_under_a_telling_name_is_taken_out_whole() -> None:
    """Numbers, bytes and containers too; only "there is none" may be told."""
    named = {
        "otp": 123456,
        "password": b"x",
        "credentials": {"a": ["b"]},
        "api_key": None,
        "secret": "",
        "has_api_key": True,
    }
    cleaned: Any = scrub_event({"extra": {**named, "api_keys": [], "passphrase": ("a",)}}, {})
    assert cleaned["extra"] == {
        "otp": "[Filtered]",
        "password": b"[Filtered]",
        "credentials": "[Filtered]",
        "api_key": None,
        "secret": "",
        "has_api_key": True,
        "api_keys": [],
        "passphrase": "[Filtered]",
    }


class Field(enum.StrEnum):
    """Names as a trading platform keeps them."""

    API_KEY = "api_key"
    VALUE = "value"


@pytest.mark.parametrize(
    ("data", "cleaned"),
    [
        ({"apiKey=header": TOKEN}, {"apiKey=[Filtered]": "[Filtered]"}),
        ({Field.API_KEY: TOKEN}, {"api_key": "[Filtered]"}),
        ([(Field.API_KEY, TOKEN)], [("api_key", "[Filtered]")]),
        ({"name": Field.API_KEY, Field.VALUE: TOKEN}, {"name": "api_key", "value": "[Filtered]"}),
        ({b"api_key": TOKEN.encode()}, {b"api_key": b"[Filtered]"}),
        ([(b"x-api-key", TOKEN.encode())], [(b"x-api-key", b"[Filtered]")]),
        ([b"--password", TOKEN], [b"--password", "[Filtered]"]),
        ({"name": b"x-api-key", "value": TOKEN}, {"name": b"x-api-key", "value": "[Filtered]"}),
        ([SimpleNamespace(api_key=1), TOKEN], ["namespace(api_key=[Filtered])", "[Filtered]"]),
    ],
    ids=[
        *("cleaned", "enum", "enum in a pair", "enum beside its value"),
        *("bytes", "bytes in a pair", "bytes of a flag", "bytes beside its value", "object"),
    ],
)
def test_a_name_counts_as_it_leaves(data: object, cleaned: object) -> None:
    """What stands in the event as a name is one, also when it came as no text or as another one."""
    crumb: Any = scrub_breadcrumb({"data": data}, {})
    assert crumb["data"] == cleaned


def test_headers_are_read_as_headers() -> None:
    """A bare KEY or SIGN counts there, also as pairs, in variables, in an environment, and beside its value."""
    headers = {"KEY": "a", "SIGN": "b", "Timestamp": "1", "X-PCK": "c", "Idempotency-Key": "d"}
    kept = {"KEY": "[Filtered]", "SIGN": "[Filtered]", "Timestamp": "1", "X-PCK": "[Filtered]", "Idempotency-Key": "d"}
    cleaned: Any = scrub_event(
        {
            "request": {"headers": headers, "env": {"HTTP_KEY": "a"}},
            "extra": {"response_headers": list(headers.items())},
        },
        {},
    )
    assert cleaned["request"] == {"headers": kept, "env": {"HTTP_KEY": "[Filtered]"}}
    assert cleaned["extra"]["response_headers"] == list(kept.items())
    beside: Any = scrub_event({"extra": {"h": [{"name": "OK-ACCESS-KEY", "value": "a"}]}}, {})
    assert beside["extra"]["h"] == [{"name": "OK-ACCESS-KEY", "value": "[Filtered]"}]


def test_a_person_is_not_sent() -> None:
    """The platform's own id and tier stay; name, mail and address on the net go."""
    user = {
        "id": "user_123",
        "subscription_tier": "pro",
        "email": "a@b.example",
        "username": "joe",
        "ip_address": "10.0.0.1",
    }
    event: Any = {"user": user}
    cleaned: Any = scrub_event(event, {})
    assert cleaned["user"] == {
        "id": "user_123",
        "subscription_tier": "pro",
        "email": "[Filtered]",
        "username": "[Filtered]",
    }


def test_wallets_become_stable_tokens() -> None:
    """The same wallet is the same token in every event; contracts stay, since they are public and useful."""
    wallet = "0x52908400098527886E0F7030069857D2E4169EE7"
    cleaned: Any = scrub_event(
        {"extra": {"address": wallet, "to": wallet.lower(), "contract": wallet, "from": "2026-11-24"}}, {}
    )
    assert cleaned["extra"]["address"] == cleaned["extra"]["to"]
    assert cleaned["extra"]["address"].startswith("[address ")
    assert (cleaned["extra"]["contract"], cleaned["extra"]["from"]) == (wallet, "2026-11-24")


def test_short_text_attachments_are_cleaned_and_all_others_stay_behind() -> None:
    """A file, a function, anything binary or long is not sent, and the event tells how many."""
    text = Attachment(bytes=f"api_key={TOKEN}".encode(), filename="a.txt", content_type="text/plain")
    binary = Attachment(bytes=b"\xff\x00", filename="a.bin")
    path = Attachment(path="/etc/hosts")
    large = Attachment(bytes=b"x" * 9000, filename="a.txt")
    lazy = Attachment(bytes=lambda: b"x", filename="b.txt")
    hint: dict[str, Any] = {"attachments": [text, binary, path, large, lazy]}
    cleaned: Any = scrub_event({"event_id": "a" * 32}, hint)
    assert [attachment.bytes for attachment in hint["attachments"]] == [b"api_key=[Filtered]"]
    assert cleaned["contexts"] == {"scrubbing": {"attachments_removed": 4}}
