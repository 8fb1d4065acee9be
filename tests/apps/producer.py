"""A process that publishes tasks as asked over a connection: what a web application is to a worker.

Requests are (signature as a dict, options of apply_async, context to bind, transaction to open); the answer is the
result's tree, or the text of what went wrong. None ends the process.
"""

import os
from contextlib import ExitStack
from multiprocessing.connection import Client
from typing import Any

import sentry_sdk
from celery import Celery

import monitoring
from tests.apps import orders  # noqa: F401  # arguments arrive pickled

app = Celery("producer", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])


def publish(
    signature: dict[str, Any], options: dict[str, Any], context: dict[str, str], transaction: str | None
) -> Any:
    """Publish one signature; return the tree of its results."""
    with ExitStack() as stack:
        if transaction is not None:
            stack.enter_context(sentry_sdk.start_transaction(name=transaction, op="http.server"))
        if context:
            stack.enter_context(monitoring.trading_context(**context))
        return app.signature(signature).apply_async(**options).as_tuple()


def main() -> None:
    """Serve requests until told to end; then flush what Sentry has not got yet."""
    monitoring.init_sentry(component="web")
    address = ("127.0.0.1", int(os.environ["PRODUCER_PORT"]))
    with Client(address, authkey=bytes.fromhex(os.environ["PRODUCER_KEY"])) as door:
        while (request := door.recv()) is not None:
            try:
                door.send(publish(*request))
            except Exception as error:  # noqa: BLE001  # the test that asked must see it
                door.send(repr(error))
    monitoring.flush()


if __name__ == "__main__":
    main()
