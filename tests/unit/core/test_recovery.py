"""When something works again it is told once, outside of any task too, and as nobody's own news."""

from types import SimpleNamespace
from typing import Any

import sentry_sdk
from celery import Celery, signals
from kombu.asynchronous.timer import Timer

import monitoring
from monitoring.filtering import POLICY, EventFilter, LocalWindow, Watch, without
from monitoring.scrubbing import scrub_text
from monitoring.scrubbing.registry import SECRETS
from monitoring.signals.outages import Outages
from tests.harness.sentry import Sentry
from tests.harness.server import Server
from tests.unit.core.conftest import Start


class Clock:
    """A clock that stands still until it is told."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@monitoring.track_trading_operation("fetch_ticker")
def fetch_ticker(exchange: str, *, fails: bool) -> None:
    """Ask an exchange for a price."""
    if fails:
        raise TimeoutError(f"{exchange} did not answer")


def ask(exchange: str, bot: str, *, fails: bool) -> None:
    """Ask in a scope of its own, as a request or a script's step does, and report what goes wrong."""
    with sentry_sdk.isolation_scope():
        monitoring.set_trading_context(bot_id=bot)
        try:
            fetch_ticker(exchange, fails=fails)
        except TimeoutError:
            monitoring.capture_exception()


def test_an_operation_that_works_again_is_told_once_and_by_its_exchange(sentry: Sentry, start: Start) -> None:
    """Without Celery, too: another exchange says nothing, and the first success says it all."""
    clock = Clock()
    event_filter = EventFilter(without(POLICY, "under_pytest"), watch=Watch(LocalWindow(clock), clock=clock))
    start(options={"event_filter": event_filter})
    for number in range(6):
        ask("kraken", f"bot-{number}", fails=True)
        clock.now += 60
    ask("okx", "bot-9", fails=False)
    ask("kraken", "bot-9", fails=False)
    ask("kraken", "bot-9", fails=False)
    monitoring.flush()
    told, recovered = sentry.wait_for("event", 2)
    assert (told["tags"]["exchange"], told["tags"]["operation"]) == ("kraken", "fetch_ticker")
    assert (told["tags"]["error_kind"], told["contexts"]["persistence"]["count"]) == ("api_timeout", 5)
    assert recovered["message"] == (
        "Recovered: kraken fetch_ticker works again after 5.0 min (6 tasks failed: api_timeout)"
    )
    assert "bot_id" not in recovered["tags"]
    assert recovered["contexts"]["persistence"]["affected_bots"] == [f"bot-{number}" for number in range(6)]
    assert len(sentry.events()) == 2
    assert event_filter.idle()


def test_a_success_asks_no_window_while_nothing_is_broken(start: Start) -> None:
    """All that a success costs is one question to the process itself."""
    calls: list[str] = []

    class Asked(LocalWindow):
        def worked(self, key: Any) -> Any:
            calls.append(str(key))
            return super().worked(key)

        def outages(self) -> Any:
            calls.append("outages")
            return super().outages()

    event_filter = EventFilter(window=Asked())
    start(options={"event_filter": event_filter})
    for number in range(100):
        ask("kraken", f"bot-{number}", fails=False)
    assert event_filter.idle()
    assert calls == []


def test_a_worker_that_is_ready_again_looks_around_no_more_often() -> None:
    """A worker is ready after each loss of its broker; there is one look in half a minute all the same."""
    outages, timer = Outages(EventFilter()), Timer()  # type: ignore[no-untyped-call]  # kombu types no constructors
    for _ in range(3):
        outages.on_worker_ready(SimpleNamespace(timer=timer))
    assert len([scheduled for scheduled in timer.queue if not scheduled.entry.canceled]) == 1


def test_a_worker_counts_in_the_server_that_it_really_uses(sentry: Sentry, start: Start, server: Server) -> None:
    """An application that names its broker in its own configuration is counted there, and its password is kept in."""
    database = server.new_database()
    start()
    password = "brokers-own-password"
    app = Celery("bots", broker=database.url, backend=f"redis://bot:{password}@127.0.0.1:1/0", set_as_current=False)
    signals.celeryd_init.send(sender="worker@here", instance=None, conf=app.conf, options={})
    ask("kraken", "bot-1", fails=True)
    assert any("persistence" in str(key) for key in database.client.scan_iter())
    assert scrub_text(f"refused {password}") == "refused [Filtered]"
    SECRETS.clear()
    database.close()
    assert sentry.events() == []
