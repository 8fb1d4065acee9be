"""Which queue a message goes through, by every kind of exchange; no broker is asked."""

# kombu types no constructors:
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Iterator

import pytest
from celery import Celery
from kombu.entity import Exchange, Queue, binding

from monitoring.signals import destination

TRADING = Exchange("trading", type="topic")
FANOUT = Exchange("news", type="fanout")


@pytest.fixture
def app() -> Iterator[Celery]:
    """Have queues of every kind."""
    made = Celery("queues", set_as_current=False, broker="memory://")
    made.conf.task_queues = [
        Queue("orders", TRADING, routing_key="order.*"),
        Queue("audit", TRADING, routing_key="audit.#"),
        Queue("deep", TRADING, routing_key="#.deep"),
        Queue("direct", Exchange("plain", type="direct"), routing_key="a.b"),
        Queue("bulletin", FANOUT, routing_key=""),
        Queue("many", [binding(Exchange("plain"), routing_key="x"), binding(Exchange("plain"), routing_key="y")]),
    ]
    yield made
    made.close()


@pytest.mark.parametrize(
    ("exchange", "routing_key", "queue"),
    [
        ("", "celery", "celery"),
        (None, "celery", "celery"),
        ("trading", "order.new", "orders"),
        ("trading", "order.new.now", "order.new.now"),  # nobody is bound to it
        ("trading", "audit", "audit"),
        ("trading", "audit.a.b", "audit"),
        ("trading", "auditor", "auditor"),
        ("trading", "very.deep", "deep"),
        ("trading", "deep", "deep"),
        ("plain", "a.b", "direct"),
        ("plain", "a.c", "a.c"),
        ("plain", "y", "many"),
        ("news", "whatever", "bulletin"),
        ("unknown", "order.new", "order.new"),
    ],
)
def test_the_queue_is_found_by_its_binding(app: Celery, exchange: str | None, routing_key: str, queue: str) -> None:
    """Name the queue on both ends: Sentry's Queues view groups by it."""
    assert destination.received_from(app, {"exchange": exchange, "routing_key": routing_key}) == queue
    assert destination.published_to(app, exchange, routing_key, None) == queue


def test_what_is_declared_goes_first(app: Celery) -> None:
    """Trust what is declared with the message."""
    declared = [TRADING, Queue("celery", Exchange("celery")), Queue("new", TRADING, routing_key="order.new")]
    assert destination.published_to(app, "trading", "order.new", declared) == "new"
