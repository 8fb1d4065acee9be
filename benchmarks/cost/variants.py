"""Who is compared: one row each, and how each is started in a process, which reads its row from the environment.

Each peer is set up as its own documentation says, with nothing switched off; see `docs/explanation/cost.md`.
"""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    #: Open what stands around the publish of one task: a web request's trace, sampled or not; or a new trace about
    #: which nobody decides (None), as in beat or in a script.
    Request = Callable[[bool | None], AbstractContextManager[None]]

QUEUE: Final = "trading"
#: What a worker prints when it takes tasks.
READY: Final = "bench worker ready"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to monitor, or none. `lifecycle` is how the Sentry SDK sends spans."""

    key: str
    label: str
    monitor: str
    lifecycle: str = "static"

    def environment(self, rate: float, port: int, project: int) -> dict[str, str]:
        """Tell a process which variant it is, what it samples, and where it sends."""
        return {
            "BENCH_MONITOR": self.monitor,
            "BENCH_LIFECYCLE": self.lifecycle,
            "BENCH_RATE": str(rate),
            "BENCH_PORT": str(port),
            "BENCH_PROJECT": str(project),
        }


BARE: Final = Variant("bare", "no monitoring", "none")
OTEL: Final = Variant("otel", "OpenTelemetry", "otel")
STOCK: Final = Variant("stock", "Sentry SDK, static", "stock")
STOCK_STREAM: Final = Variant("stock_stream", "Sentry SDK, stream", "stock", "stream")
OURS: Final = Variant("ours", "this package, static", "ours")
OURS_STREAM: Final = Variant("ours_stream", "this package, stream", "ours", "stream")

VARIANTS: Final = (BARE, OTEL, STOCK, STOCK_STREAM, OURS, OURS_STREAM)
#: Whom each Sentry variant is measured against.
PEER: Final[Mapping[str, str]] = {"ours": "stock", "ours_stream": "stock_stream"}


def start_worker(environment: Mapping[str, str] = os.environ) -> None:
    """Start what the environment names, in a worker's main process before its pool exists."""
    _WORKERS[environment["BENCH_MONITOR"]](environment)


def start_producer(environment: Mapping[str, str] = os.environ) -> Request:
    """Start the same in a process that publishes, and return what stands for one web request there."""
    return _PRODUCERS[environment["BENCH_MONITOR"]](environment)


def talk(words: str, environment: Mapping[str, str] = os.environ) -> None:
    """Leave a breadcrumb with these words and a span, by the API of whatever monitors this worker."""
    _TALKERS[environment["BENCH_MONITOR"]](words, environment)


def _nothing(_: Mapping[str, str]) -> None:
    pass


def _no_talk(_: str, __: Mapping[str, str]) -> None:
    pass


def _sentry_talk(words: str, environment: Mapping[str, str]) -> None:
    import sentry_sdk  # noqa: PLC0415  # each process loads its own variant and no other

    sentry_sdk.add_breadcrumb(message=words, category="exchange")
    if environment["BENCH_LIFECYCLE"] == "stream":
        with sentry_sdk.traces.start_span("fetch order book", {"sentry.op": "exchange.fetch"}):
            pass
    else:
        with sentry_sdk.start_span(op="exchange.fetch", name="fetch order book"):
            pass


def _otel_talk(words: str, _: Mapping[str, str]) -> None:
    from opentelemetry import trace  # noqa: PLC0415  # as above

    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(words)
    with trace.get_tracer("bench").start_as_current_span("fetch order book"):
        pass


def _no_request(_: Mapping[str, str]) -> Request:
    @contextmanager
    def request(_: bool | None) -> Iterator[None]:  # noqa: FBT001  # a decision is data here
        yield

    return request


def _stock(environment: Mapping[str, str], **options: Any) -> None:
    import sentry_sdk  # noqa: PLC0415  # each process loads its own variant and no other

    sentry_sdk.init(
        # By way of a proxy, so that the address has no port: with one the SDK traces its own uploads, and nobody's
        # Sentry has one.
        f"http://bench@127.0.0.1/{environment['BENCH_PROJECT']}",
        http_proxy=f"http://127.0.0.1:{environment['BENCH_PORT']}",
        traces_sample_rate=float(environment["BENCH_RATE"]),
        trace_lifecycle=environment["BENCH_LIFECYCLE"],  # type: ignore[arg-type]  # a row of the table
        **options,
    )


def _ours(environment: Mapping[str, str], **options: Any) -> None:
    import monitoring  # noqa: PLC0415  # as above

    os.environ.update(
        SENTRY_DSN=f"http://bench@127.0.0.1:{environment['BENCH_PORT']}/{environment['BENCH_PROJECT']}",
        SENTRY_ENABLED="true",
        SENTRY_TRACES_SAMPLE_RATE=environment["BENCH_RATE"],
        MONITORING_TRACE_LIFECYCLE=environment["BENCH_LIFECYCLE"],
    )
    monitoring.init_sentry(**options)


def _otel(environment: Mapping[str, str], sampler: Any = None) -> None:
    from opentelemetry import trace  # noqa: PLC0415  # as above
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    endpoint = f"http://127.0.0.1:{environment['BENCH_PORT']}/api/{environment['BENCH_PROJECT']}/v1/traces"
    provider = TracerProvider(sampler=sampler or ParentBased(TraceIdRatioBased(float(environment["BENCH_RATE"]))))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]  # it publishes no types


def _otel_worker(environment: Mapping[str, str]) -> None:
    from celery.signals import worker_process_init  # noqa: PLC0415  # as above

    def start(**_: object) -> None:
        _otel(environment)

    # As its documentation asks: in the processes that run tasks, after the fork.
    worker_process_init.connect(start, weak=False)


def _sentry_request(start: Callable[..., None]) -> Callable[[Mapping[str, str]], Request]:
    def producer(environment: Mapping[str, str]) -> Request:
        import sentry_sdk  # noqa: PLC0415  # as above

        sampled = False
        start(environment, traces_sampler=lambda _: float(sampled))
        stream = environment["BENCH_LIFECYCLE"] == "stream"

        @contextmanager
        def request(decision: bool | None) -> Iterator[None]:  # noqa: FBT001  # a decision is data here
            nonlocal sampled
            sampled = bool(decision)
            with sentry_sdk.isolation_scope() as scope:
                scope.set_new_propagation_context()
                if decision is None:
                    yield
                elif stream:
                    sentry_sdk.traces.new_trace()
                    with sentry_sdk.traces.start_span("POST /orders", {"sentry.op": "http.server"}, parent_span=None):
                        yield
                else:
                    with sentry_sdk.start_transaction(name="POST /orders", op="http.server"):
                        yield

        return request

    return producer


def _otel_producer(environment: Mapping[str, str]) -> Request:
    from opentelemetry import trace  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler  # noqa: PLC0415

    sampled = False

    class Decided(Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            return (ALWAYS_ON if sampled else ALWAYS_OFF).should_sample(*args, **kwargs)

        def get_description(self) -> str:
            return "as the bench decides"

    _otel(environment, ParentBased(Decided()))
    tracer = trace.get_tracer("bench")

    @contextmanager
    def request(decision: bool | None) -> Iterator[None]:  # noqa: FBT001  # a decision is data here
        nonlocal sampled
        if decision is None:  # then the publish itself begins a trace, and is decided by nobody else
            sampled = random.random() < float(environment["BENCH_RATE"])  # a share, not a secret
            yield
            return
        sampled = decision
        with tracer.start_as_current_span("POST /orders", kind=trace.SpanKind.SERVER):
            yield

    return request


_WORKERS: Final[Mapping[str, Callable[[Mapping[str, str]], None]]] = {
    "none": _nothing,
    "stock": _stock,
    "otel": _otel_worker,
    "ours": _ours,
}
_PRODUCERS: Final[Mapping[str, Callable[[Mapping[str, str]], Request]]] = {
    "none": _no_request,
    "stock": _sentry_request(_stock),
    "otel": _otel_producer,
    "ours": _sentry_request(lambda environment, **options: _ours(environment, component="web", **options)),
}
_TALKERS: Final[Mapping[str, Callable[[str, Mapping[str, str]], None]]] = {
    "none": _no_talk,
    "stock": _sentry_talk,
    "otel": _otel_talk,
    "ours": _sentry_talk,
}
