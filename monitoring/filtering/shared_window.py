"""The persistence window that the worker processes of all hosts share, in Redis."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitoring.filtering.script import FAILED, WORKED
from monitoring.filtering.window import (
    CALM_SECONDS,
    FORGET_SECONDS,
    MAX_BOTS,
    MAX_HITS,
    MAX_OUTAGES,
    Failure,
    Outage,
    OutageKey,
    Success,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: For each of connecting and answering. A server in the same network answers within one.
BUDGET_SECONDS: Final = 0.05
SCHEMES: Final = ("redis://", "rediss://", "unix://")

#: Braces keep all keys in one slot of a cluster, which a script needs.
#: The number is that of the layout: two versions of the package at once count apart.
_NAMESPACE: Final = "{monitoring}:persistence:1"

_CERTIFICATES: Final = re.compile(r"(ssl_cert_reqs=)CERT_(NONE|OPTIONAL|REQUIRED)")

_LIMITS: Final = json.dumps({"bots": MAX_BOTS, "hits": MAX_HITS, "outages": MAX_OUTAGES, "forget": int(FORGET_SECONDS)})


class SharedWindow:
    """Count in Redis: one atomic round trip per failure. Raises what the client raises.

    `clock` is for tests: the server's own counts, because hosts disagree. The client is used by forked children too;
    redis-py gives each its own connections.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        calm_seconds: float = CALM_SECONDS,
        namespace: str = _NAMESPACE,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._calm = calm_seconds
        self._namespace = namespace
        self._client = client
        self._failed = client.register_script(FAILED)
        self._worked = client.register_script(WORKED)

    @classmethod
    def from_url(cls, url: str, budget_seconds: float = BUDGET_SECONDS, **options: Any) -> SharedWindow:
        """Connect (when first used) with a budget for connecting and for each answer, and without retries."""
        client = redis.Redis.from_url(
            # Celery's spelling, which redis-py refuses.
            _CERTIFICATES.sub(lambda found: found[1] + found[2].lower(), url),
            socket_timeout=budget_seconds,
            socket_connect_timeout=budget_seconds,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        return cls(client, **options)

    def failed(self, failure: Failure, *, dry: bool = False) -> Verdict:
        """Count a failure for every process; `dry` only asks."""
        rule, key = failure.rule, failure.key
        identity = {
            "key": {
                "exchange": key.exchange,
                "credential": key.credential,
                "operation": key.operation,
                "error_class": key.error_class,
            },
            "task": failure.task,
            "kind": failure.kind,
        }
        limits = {
            "count": rule.count,
            "seconds": rule.seconds,
            "cooldown": rule.cooldown,
            "sparse_count": rule.sparse_count,
            "sparse_seconds": rule.sparse_seconds,
        }
        arguments = [
            self._now(),
            key.digest,
            failure.task_id.replace("|", "_"),
            failure.bot,
            json.dumps(identity),
            json.dumps(limits),
            _LIMITS,
            "1" if dry else "0",
        ]
        tell, count, outage = cast("list[Any]", self._failed(keys=self._keys(key.digest), args=arguments))
        return Verdict(bool(tell), int(count), Outage.of(json.loads(outage)) if outage else None)

    def worked(self, key: OutageKey) -> Success:
        """Note a success for every process; the one that ends an outage gets it."""
        arguments: list[str | float] = [self._now(), key.digest, self._calm, FORGET_SECONDS]
        what, told = cast("list[Any]", self._worked(keys=self._keys(key.digest), args=arguments))
        # A client given by the application may decode its answers, or not.
        if what in {b"ended", "ended"}:
            return Success(ended=Outage.of(json.loads(told)))
        return Success(ask_again_in=float(told)) if what in {b"wait", "wait"} else Success()

    def outages(self) -> tuple[Outage, ...]:
        """Return what is open in any process; what nobody of us has written is left out."""
        told = cast("list[bytes]", self._client.hvals(f"{self._namespace}:outages"))
        return tuple(outage for text in told if (outage := _read(text)) is not None)

    def _keys(self, digest: str) -> list[str]:
        kept = self._namespace
        return [f"{kept}:hits:{digest}", f"{kept}:row:{digest}", f"{kept}:outages"]

    def _now(self) -> str:
        return "" if self._clock is None else repr(self._clock())


def _read(text: bytes) -> Outage | None:
    try:
        return Outage.of(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None
