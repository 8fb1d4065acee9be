"""How tasks are retried, acknowledged, limited and told about: one table for those that move money, one for the rest.

`moves_money` and `slow_after` are read by `monitoring`.
"""

from typing import Any, Final

from celery import Task

from worker.errors import RETRYABLE

LEAST_RETRY_SECONDS: Final = 1.0


class RetriedLater(Task):  # type: ignore[misc]  # Celery types no classes
    """A task whose retry waits a second at least.

    Celery publishes the retry first and stores the state RETRY then. A repetition that is done in between (chance may
    choose a wait of 0) has its SUCCESS overwritten, and whoever asks for the result waits for ever.
    """

    abstract = True

    def retry(self, *args: Any, countdown: float | None = None, **options: Any) -> Any:
        """Retry as Celery does, after `countdown` seconds or the least wait, whichever is longer."""
        least = None if countdown is None else max(countdown, LEAST_RETRY_SECONDS)
        return super().retry(*args, countdown=least, **options)


READS: Final[dict[str, Any]] = {
    "base": RetriedLater,
    # Only what asking again can help, after 1, 2, 4 s at most: chance spreads the bots that one outage has hit.
    "autoretry_for": RETRYABLE,
    "retry_backoff": 1,
    "retry_backoff_max": 30,
    "retry_jitter": True,
    # The next look is due within a minute anyway; more attempts would only run beside it.
    "max_retries": 3,
    # Acknowledged when done: a host that dies in the middle costs a repetition, not a look that nobody takes.
    "acks_late": True,
    # A killed child is a retry: counted, told, and limited by `max_retries`. Putting the message back instead would
    # repeat it for ever and tell nobody, and what kills a process once (memory) kills it again.
    "retry_on_worker_lost": True,
    "reject_on_worker_lost": False,
    "default_retry_delay": 5,
    # A hanging exchange must not hold a process: first an exception that can be told, then the end.
    "soft_time_limit": 30,
    "time_limit": 40,
    "slow_after": 5.0,
}

MONEY: Final[dict[str, Any]] = {
    **READS,
    "moves_money": True,
    # 1 + 2 + 4 + 8 s of back-off at most: an exchange's hiccup is survived, and the price has not run away yet.
    "max_retries": 4,
    # Late acknowledgement and retries are safe for orders only because a repetition has the same client order id.
    "acks_late": True,
    # A signal is worth acting on for a minute, its retries included; acting on it later is a decision nobody took.
    # What an expired retry leaves open is in the ledger, and `reconcile` asks the exchange about it.
    "expires": 60,
    # Within `expires`, and far below the broker's visibility time-out.
    "soft_time_limit": 20,
    "time_limit": 30,
    "slow_after": 2.0,
}
