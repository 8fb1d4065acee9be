"""A worker that lets a secret slip in every place where one can: each place in a way of its own, told by its number."""

# Celery publishes no types, and mistakes are what this is made of:
# mypy: disable-error-code="untyped-decorator"
# ruff: noqa: TRY301, B904  # the same

import logging
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentry_sdk
from celery import Celery, Task
from celery.exceptions import Reject
from sentry_sdk.crons import capture_checkin

import monitoring
from monitoring.signals import message

LIVE = os.environ["CANARY_LIVE"]
logger = logging.getLogger("bots")


def secret(place: int) -> str:
    """Return a text with two secrets: a live one that is registered, and one that only its name gives away."""
    return f"live {LIVE} and api_key={bare(place)}"


def bare(place: int) -> str:
    """Return a secret that nobody has registered; whoever plants it says by a name what it is."""
    return f"cAn4ry{place:03d}Zq7xW9vB"


# Where nobody looks: the command line itself.
sys.argv += ["--password", bare(1), secret(2)]

seen: list[str] = []


def hook(name: str, field: str) -> Callable[[Any, Any], Any]:
    """Return a hook of the application's own that sees the secret, and adds one more."""

    def own(item: Any, _: Any) -> Any:
        seen.append(name)
        item.setdefault(field, {})
        if isinstance(item[field], dict):
            item[field]["added"] = secret(3)
        return item

    return own


@dataclass
class Account:
    """What a careless bot keeps."""

    api_secret: str
    note: str


class Printed:
    """What shows itself."""

    def __repr__(self) -> str:
        return f"Printed(passphrase='{bare(4)}', note='{secret(5)}')"


app = Celery("canary", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])
app.conf.broker_connection_retry_on_startup = True
monitoring.register_secret(LIVE)
HOOKS: dict[str, Any] = {
    "before_send": hook("event", "extra"),
    "before_send_transaction": hook("transaction", "extra"),
    "before_breadcrumb": hook("breadcrumb", "data"),
    "before_send_log": hook("log", "attributes"),
    "before_send_metric": hook("metric", "attributes"),
}
if os.environ.get("MONITORING_TRACE_LIFECYCLE") == "stream":
    HOOKS["before_send_span"] = hook("span", "attributes")
monitoring.init_sentry(
    **HOOKS,
    enable_logs=True,
    send_default_pii=True,
    attach_stacktrace=True,
    max_request_body_size="always",
    release="canary@1",
)


def locals_(args: Any = None) -> None:
    """Fail with everything a frame can hold."""
    api_key = bare(6)
    text = secret(7)
    config = {"okx": {"secret": bare(8), "note": [secret(9)]}}
    raw = secret(10).encode()
    account = Account(bare(11), secret(12))
    printed = Printed()
    pairs = [("OK-ACCESS-KEY", bare(13)), ("note", secret(14))]
    headers = {"KEY": bare(15), "SIGN": bare(16), "X-Note": secret(17)}
    several = {secret(18), "x"}
    error = RuntimeError(secret(19), {"passphrase": bare(20)}, text, config, raw, account, printed)
    error.add_note(secret(21))
    raise error from ValueError(f"{pairs} RequestHeaders: {headers} {several} {args} {len(api_key)}")


def chained() -> None:
    """Fail while another error is handled, and in a group."""
    try:
        raise KeyError(secret(22))
    except KeyError:
        raise ExceptionGroup(secret(23), [ValueError(secret(24)), TypeError(f"token='{bare(25)}'")])


def literal() -> None:
    """Fail in a line that has the key in it."""
    source = f'# {secret(26)}\nAPI_KEY = "{bare(27)}"\nraise LookupError("x"), API_KEY\n'.replace(", API_KEY", "")
    path = Path("literal.py")
    path.write_text(source)
    exec(compile(source, str(path.absolute()), "exec"), {"__name__": "literal"})  # a line of a file, as any


@contextmanager
def reported() -> Iterator[None]:
    """Report what is raised, and go on."""
    try:
        yield
    except Exception:  # noqa: BLE001  # whatever it is
        monitoring.capture_exception(note=secret(28), api_secret=bare(29))


def logged() -> None:
    """Log in every way there is."""
    logger.error(secret(30))
    logger.error("refused api_key=%s for %s", bare(31), secret(32))
    logger.error("see extra", extra={"passphrase": bare(33), "note": secret(34)})
    logger.info("crumb %s", secret(35))
    try:
        raise OSError(secret(36))
    except OSError:
        logger.exception("failed: %s", secret(37))
    sentry_sdk.logger.warning("structured {note}", note=secret(38), attributes={"api_key": bare(39)})


def scoped() -> None:
    """Bind it to the scope."""
    scope = sentry_sdk.get_isolation_scope()
    monitoring.add_breadcrumb(secret(40), data={"note": secret(41), "secret": bare(42)})
    scope.set_tag("note", secret(43))
    scope.set_tag(secret(44)[:40], "x")
    scope.set_extra("note", {"deep": [secret(45)], "privateKey": bare(46)})
    scope.set_context("account", {"note": secret(47), "mnemonic": bare(48)})
    scope.set_user({"id": "7", "email": f"{bare(49)}@example.com", "username": bare(50), "ip_address": "203.0.113.7"})
    scope.set_attribute("note", secret(51))
    scope.fingerprint = ["{{ default }}", secret(52)]
    scope.add_attachment(bytes=secret(53).encode(), filename="note.txt", content_type="text/plain")
    scope.add_attachment(bytes=secret(54).encode(), filename="note.bin")
    Path("held.txt").write_text(secret(55))
    scope.add_attachment(path="held.txt")
    scope.add_attachment(bytes=b"x", filename=f"{secret(56)}.txt", content_type="text/plain")


def traced() -> None:
    """Leave it in spans, and in what integrations see."""
    if os.environ.get("MONITORING_TRACE_LIFECYCLE") == "stream":
        with sentry_sdk.traces.start_span(name=secret(57), attributes={"note": secret(58), "api_key": bare(59)}):
            pass
    else:
        with sentry_sdk.start_span(op="x", name=secret(57)) as span:
            span.set_data("note", {"deep": secret(58)})
            span.set_data("api_key", bare(59))
            span.set_tag("note", secret(60))
    url = f"{os.environ['CANARY_URL']}/api/v3/order?symbol=BTCUSDT&signature={bare(61)}&apiKey={bare(62)}"
    request = urllib.request.Request(url, headers={"X-MBX-APIKEY": bare(63)})
    with urllib.request.urlopen(request, timeout=10):
        pass
    subprocess.run(
        ["true", "--password", bare(64), secret(65)],
        check=True,
        env={"API_SECRET": bare(66), "PATH": os.environ["PATH"]},
    )


def elsewhere() -> None:
    """Leave by whatever else there is."""
    monitoring.capture_message(secret(67), note=secret(68), credentials={"x": bare(69)})
    sentry_sdk.metrics.count("made", 1, attributes={"note": secret(70), "api_key": bare(71)})
    capture_checkin(monitor_slug=f"nightly-{LIVE}", status="ok")
    thread = threading.Thread(target=lambda: 1 / len(os.environ.get(secret(72), "")), name=secret(73))
    thread.start()
    thread.join()
    scope = sentry_sdk.get_isolation_scope()
    scope.start_session(session_mode="application")
    scope.end_session()


@app.task(bind=True)
def leak(self: Task, bot_id: str, note: str = "", api_key: str = "") -> str:
    """Let it slip everywhere, and end with an error."""
    sentry_sdk.get_current_scope().set_transaction_name(f"leak {secret(74)}")
    scoped()
    logged()
    acts: tuple[Callable[[], None], ...] = (lambda: locals_(self.request), chained, literal)
    for act in acts:
        with reported():
            act()
    traced()
    elsewhere()
    raise RuntimeError(f"{bot_id} is done: {secret(75)} {note} api_key={api_key}")


@app.task(bind=True, max_retries=1)
def again(self: Task, bot_id: str) -> str:
    """Fail once; return what the message then says of the first attempt."""
    if self.request.retries:
        logger.error("second attempt of %s", bot_id)
        return str(message.header(self.request, message.HEADER))
    monitoring.add_breadcrumb(secret(76), data={"secret": bare(77)})
    # Not at once, for the reason that `tests.apps.trading.REST` gives.
    raise self.retry(exc=RuntimeError(secret(78)), countdown=0.5)


@app.task(bind=True, acks_late=True)
def rejects(self: Task) -> None:
    """Give the message back with a reason."""
    raise Reject(secret(79), requeue=False)


@app.task
def hooks() -> list[str]:
    """Return which of the application's own hooks were called in this process."""
    return sorted(set(seen))
