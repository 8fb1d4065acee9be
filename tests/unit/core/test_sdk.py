"""Monitoring starts once, by one call; what the application added to the SDK runs first, and cannot lose an item."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import sentry_sdk
from celery import Celery, signals
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.redis import RedisIntegration

import monitoring
from monitoring import sdk
from monitoring.signals.integration import TradingCeleryIntegration
from tests.harness.sentry import Sentry, attributes
from tests.unit.core.conftest import SIGNALS, Start

Hook = Callable[[Any, Any], Any]


def receivers() -> int:
    """Count what is connected to Celery's signals."""
    return sum(len(signal.receivers or ()) for signal in SIGNALS)


def flushed(sentry: Sentry, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """Send what is queued and return one kind of it."""
    monitoring.flush()
    return sentry.wait_for(kind, count)


def test_starting_says_what_runs_and_as_what(sentry: Sentry, start: Start) -> None:
    """Environment, release and component are on everything; the default component is the worker."""
    start(environment="staging", release="trader@1.2.3")
    monitoring.capture_message("hello")
    sentry_sdk.metrics.count("made", 1)
    (event,) = flushed(sentry, "event")
    assert (event["environment"], event["release"], event["tags"]["component"]) == (
        "staging",
        "trader@1.2.3",
        "trading_engine",
    )
    (metric,) = flushed(sentry, "metric")
    assert attributes(metric)["component"] == "trading_engine"
    assert attributes(metric)["sentry.environment"] == "staging"


def test_starting_again_keeps_the_first_settings_and_takes_the_new_component(
    sentry: Sentry, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Flask and the worker may share a process: one client, one set of receivers, a warning when they disagree."""
    start(component="web")
    client, connected = sentry_sdk.get_client(), receivers()
    start()
    assert "other settings" not in caplog.text
    start(environment="staging")
    assert "init_sentry was called again with other settings; the first ones stay in force" in caplog.text
    start(component="gateway")
    assert (sentry_sdk.get_client(), receivers()) == (client, connected)
    monitoring.capture_message("hello")
    (event,) = flushed(sentry, "event")
    assert (event["environment"], event["tags"]["component"]) == ("production", "gateway")


def test_a_later_call_without_component_does_not_rename(sentry: Sentry, start: Start) -> None:
    """A library that makes sure that monitoring runs does not turn the web into a worker."""
    start(component="web")
    start()
    monitoring.capture_message("hello")
    assert flushed(sentry, "event")[0]["tags"]["component"] == "web"


def test_ours_stands_in_the_place_of_the_sdks_own(start: Start) -> None:
    """There is one Celery integration, ours, and no Redis spans that nobody asked for."""
    start()
    client = sentry_sdk.get_client()
    assert client.get_integration(CeleryIntegration).__class__.__name__ == "TradingCeleryIntegration"
    assert client.get_integration(RedisIntegration) is None


def test_an_integration_that_the_application_gives_is_used(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis' own spans are a choice."""
    # The SDK remembers for the life of the process what was switched off, as it was in the tests before.
    processed = sentry_sdk.integrations._processed_integrations
    monkeypatch.setattr("sentry_sdk.integrations._processed_integrations", processed - {"redis"})
    start(options={"integrations": [RedisIntegration(cache_prefixes=["cache:"])]})
    assert isinstance(sentry_sdk.get_client().get_integration(RedisIntegration), RedisIntegration)


def test_every_receiver_can_be_disconnected(start: Start) -> None:
    """The application runs on unmonitored."""
    before = receivers()
    start()
    assert receivers() > before
    integration = sentry_sdk.get_client().integrations["celery"]
    assert isinstance(integration, TradingCeleryIntegration)
    integration.disconnect()
    assert receivers() == before


@pytest.mark.parametrize(
    "switch", [{"enabled": False, "dsn": "http://key@127.0.0.1:9/1"}, {"dsn": None}, {"environment": "development"}]
)
def test_switched_off_nothing_is_connected_or_changed(app: Celery, switch: dict[str, Any]) -> None:
    """Without a DSN or with `SENTRY_ENABLED=false` the application runs as if the package were not there."""
    before = receivers()
    ignored = logging.getLogger("celery.app.trace").filters
    published: list[dict[str, Any]] = []
    assert not monitoring.init_sentry(monitoring.Settings(**switch), component="web")
    assert (receivers(), sdk.started(), sentry_sdk.get_client().is_active()) == (before, None, False)
    signals.before_task_publish.connect(collect := lambda headers, **_: published.append(dict(headers)), weak=False)
    app.send_task("work", headers={"tenant": "acme"})
    signals.before_task_publish.disconnect(collect)
    assert not [name for name in published[0] if "monitoring" in name or "sentry" in name]
    assert logging.getLogger("celery.app.trace").filters == ignored


def test_a_mistake_in_the_environment_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is half started: no client, no receiver."""
    before = receivers()
    monkeypatch.setenv("SENTRY_DSN", "nonsense")
    monkeypatch.setenv("MONITORING_METRIC", "1")
    with pytest.raises(monitoring.SettingsError, match="2 settings are wrong"):
        monitoring.init_sentry()
    assert (receivers(), sdk.started()) == (before, None)


def test_the_environment_is_read_when_no_settings_are_given(sentry: Sentry, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line is enough in an application of one's own."""
    monkeypatch.setenv("SENTRY_DSN", sentry.dsn)
    monkeypatch.setenv("APP_VERSION", "1.0.0")
    assert monitoring.init_sentry()
    monitoring.capture_message("hello")
    assert flushed(sentry, "event")[0]["release"] == "1.0.0"


def kept(item: Any, _: Any) -> Any:
    """Mark what passes."""
    if "message" in item and isinstance(item["message"], str):
        item["message"] += " seen"
    return item


def test_the_applications_hook_runs_before_ours(sentry: Sentry, start: Start) -> None:
    """It sees the event unscrubbed, and what it adds is scrubbed like everything else."""
    seen: list[Any] = []

    def hook(event: Any, _: Any) -> Any:
        seen.append(event["message"])
        event["extra"] = {"api_key": "K3Y-OF-THE-APPLICATION"}
        return event

    start(options={"before_send": hook})
    monitoring.capture_message("hello")
    (event,) = flushed(sentry, "event")
    assert seen == ["hello"]
    assert "K3Y-OF-THE-APPLICATION" not in str(event)
    assert "api_key" in event["extra"]


def test_the_applications_hook_may_drop(sentry: Sentry, start: Start) -> None:
    """None is None, and ours is not asked."""
    start(options={"before_send": lambda event, _: None if event["message"] == "noise" else event})
    monitoring.capture_message("noise")
    monitoring.capture_message("hello")
    assert [event["message"] for event in flushed(sentry, "event")] == ["hello"]


def _leave_a_breadcrumb() -> None:
    monitoring.add_breadcrumb("hello")
    monitoring.capture_message("hello")


HOOKS: dict[str, tuple[str, Callable[[], object]]] = {
    "before_send": ("event", lambda: monitoring.capture_message("hello")),
    "before_send_metric": ("metric", lambda: sentry_sdk.metrics.count("made", 1)),
    "before_send_log": ("log", lambda: sentry_sdk.logger.warning("hello")),
    "before_send_transaction": (
        "transaction",
        lambda: sentry_sdk.start_transaction(name="hello", sampled=True).finish(),
    ),
    "before_breadcrumb": ("event", _leave_a_breadcrumb),
}


def test_a_hook_for_spans_runs_before_ours_and_may_raise(sentry: Sentry, start: Start) -> None:
    """Streamed spans are cleaned after the application's own hook, and also when it raises."""
    names: list[str] = []

    def careless(span: Any, _: Any) -> Any:
        names.append(span["name"])
        if span["name"] == "broken":
            raise RuntimeError("a bug of the application's")
        span["attributes"]["api_key"] = {"value": "K3Y-OF-THE-APPLICATION", "type": "string"}
        return span

    start(options={"before_send_span": careless}, traces_sample_rate=1.0, trace_lifecycle="stream")
    for name in ("hello", "broken"):
        with sentry_sdk.traces.start_span(name=name, attributes={"passphrase": "K3Y-OF-THE-APPLICATION"}):
            pass
    spans = flushed(sentry, "span", 2)
    assert {span["name"] for span in spans} == set(names) == {"hello", "broken"}
    assert "K3Y-OF-THE-APPLICATION" not in str(spans)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_that_raises_does_not_lose_the_item(name: str, sentry: Sentry, start: Start) -> None:
    """Left to itself the SDK drops the item, or keeps it unscrubbed; here it goes on to ours, and the log tells."""
    raised: list[Any] = []

    def broken(item: Any, _: Any) -> Any:
        raised.append(item)
        raise RuntimeError("a bug of the application's")

    start(options={name: broken, "enable_logs": True}, traces_sample_rate=1.0)
    kind, act = HOOKS[name]
    act()
    monitoring.flush()
    assert sentry.wait_for(kind, where=lambda entry: "hello" in str(entry) or "made" in str(entry))
    assert 1 <= len(raised) < 10
    if name == "before_breadcrumb":
        event = sentry.wait_for("event", where=lambda entry: entry.get("message") == "hello")[0]
        assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]][:1] == ["hello"]


def test_spotlight_is_off_whatever_the_environment_says(
    sentry: Sentry, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of everything, sent on the application's threads, is nothing a worker has time for."""
    monkeypatch.setenv("SENTRY_SPOTLIGHT", "http://127.0.0.1:9/stream")
    start()
    assert sentry_sdk.get_client().spotlight is None
    monitoring.capture_message("hello")
    flushed(sentry, "event")


def test_celerys_own_lines_about_a_task_are_no_events(sentry: Sentry, start: Start) -> None:
    """They repeat our reports, with arguments in clear; other loggers' errors are events as ever."""
    start()
    for name in sdk.TASK_LOGGERS:
        logging.getLogger(name).error("Task orders.place[1] raised unexpected: secret")
    logging.getLogger("application").error("hello")
    assert [event["logger"] for event in flushed(sentry, "event")] == ["application"]


def test_the_sample_rate_of_errors_is_the_operators(sentry: Sentry, start: Start) -> None:
    """At 0 no error leaves, and the SDK says so in its report."""
    start(sample_rate=0.0)
    monitoring.capture_message("hello")
    monitoring.flush()
    sentry_sdk.get_client().close(timeout=2)
    assert sentry.events() == []
    assert sentry.lost()["sample_rate", "error"] == 1


def test_naming_a_component_before_the_start_does_nothing() -> None:
    """Beat's signal may come in a process that is not monitored."""
    sdk.name_component("beat")
    assert "component" not in sentry_sdk.get_global_scope()._tags
