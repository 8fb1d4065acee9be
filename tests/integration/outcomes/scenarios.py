"""How each outcome is brought about on a real worker: a task sent, killed, revoked or rejected, or a message forged."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from celery import Signature, chain, chord, group
from celery.result import AsyncResult, GroupResult

from monitoring.context import TradingContext
from monitoring.signals import message
from tests.harness.polling import wait_until
from tests.harness.producer import Producer
from tests.harness.stage import Stage
from tests.harness.worker import Worker

TRADING = "tests.apps.trading"
ENDINGS = "tests.apps.endings"
EXCHANGE, SYMBOL = "kraken", "BTC/USDT"
#: A secret in arguments and bodies: it must be in nothing that Sentry receives.
PLANTED = "planted-3f9c1d7b5a"


@dataclass
class Scene:
    """Hold the processes that a scenario plays on, and the ids of the tasks it sent, by bot."""

    stage: Stage
    producer: Producer | None
    worker: Worker
    ids: dict[str, str] = field(default_factory=dict)

    def send(self, name: str, where: Mapping[str, Any], **options: Any) -> AsyncResult:
        """Publish a task of the application, through the monitored producer if there is one, and note its id."""
        full = name if "." in name else f"{TRADING}.{name}"
        return self.publish(self.worker.task(full).clone(kwargs=dict(where)), where["bot_id"], **options)

    def publish(self, signature: Signature, bot: str, **options: Any) -> AsyncResult | GroupResult:
        """Publish a signature in the same way."""
        if self.producer is None:
            return self.publish_unmonitored(signature, bot, **options)
        result = self.producer.send(signature, **options)
        self.ids[bot] = result.id
        return result

    def publish_unmonitored(self, signature: Signature, bot: str, **options: Any) -> AsyncResult:
        """Publish a signature from this process, where nobody monitors."""
        self.ids[bot] = task_id = str(signature.apply_async(**options).id)
        # Not the result of the call: that one listens, and would outlive its connection.
        return self.worker.app.AsyncResult(task_id)

    def forge(self, where: Mapping[str, str], body: str, content_type: str = "application/json") -> None:
        """Put a message on the queue as a monitored producer that went wrong would have: its headers are right."""
        self.ids[where["bot_id"]] = task_id = str(uuid4())
        carried = message.Carried(time.time(), time.time(), TradingContext.of(where))
        headers = {"id": task_id, "task": f"{TRADING}.succeed", "lang": "py", "retries": 0, "root_id": task_id}
        self.publish_raw(body, content_type, {**headers, message.HEADER: carried.encoded(4096)})

    def revoke(self, task_id: str) -> None:
        """Revoke a task, and return when the worker knows; it may not be listening yet when it is ready."""
        wait_until(lambda: self._revoked(task_id), f"{task_id} to be revoked")

    def _revoked(self, task_id: str) -> bool:
        self.worker.app.control.revoke(task_id)
        with suppress(AssertionError):
            self.worker.wait_log(f"Tasks flagged as revoked: {task_id}", 1)
            return True
        return False

    def publish_raw(self, body: str, content_type: str, headers: dict[str, Any]) -> None:
        """Put any bytes on the queue."""
        with self.worker.app.producer_pool.acquire(block=True) as producer:
            producer.publish(
                body, content_type=content_type, content_encoding="utf-8", headers=headers, routing_key="celery"
            )


#: Bring an outcome about; what it returns is ready when the outcome is there, None is waited for by its event.
Scenario = Callable[[Scene, dict[str, str]], AsyncResult | GroupResult | None]


def where_of(bot: str) -> dict[str, str]:
    """Return the context of a scenario."""
    return {"bot_id": bot, "exchange": EXCHANGE, "symbol": SYMBOL}


def call(name: str, **more: Any) -> Scenario:
    """Call a task with its context as keyword arguments."""
    return lambda scene, where: scene.send(name, {**where, **more})


def ending(name: str, **more: Any) -> Scenario:
    """Do the same with a task of the odd endings."""
    return call(f"{ENDINGS}.{name}", **more)


def ignored(scene: Scene, where: dict[str, str]) -> None:
    """Call a task that leaves without an outcome: its result is never ready."""
    result = scene.send("ignore", where)
    wait_until(lambda: f"{result.id}] ignored" in scene.worker.log, "the task to be ignored")


def expired(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send an order that is stale when its time comes."""
    return scene.send(f"{ENDINGS}.order", where, countdown=0.5, expires=0.1)


def expired_no_money(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a task that is stale when its time comes."""
    return scene.send("succeed", where, countdown=0.5, expires=0.1)


def expired_before(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send an order that is stale when the worker gets it."""
    return scene.send(f"{ENDINGS}.order", where, expires=datetime.now(UTC) - timedelta(seconds=5))


def revoked(name: str) -> Scenario:
    """Revoke a task that the worker holds and has not started."""

    def scenario(scene: Scene, where: dict[str, str]) -> AsyncResult:
        scene.revoke(str(uuid4()))  # so that it listens for certain, before the clock runs
        result = scene.send(name, where, countdown=6)
        wait_until(lambda: f"[{result.id}] received" in scene.worker.log, "the task to be received")
        scene.revoke(result.id)
        return result

    return scenario


def revoked_before(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Revoke a task that is not sent yet."""
    task_id = str(uuid4())
    scene.revoke(task_id)
    return scene.send("succeed", where, task_id=task_id)


def revoked_by_stamp(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Revoke every task with a stamp, and send one."""
    scene.worker.app.control.revoke_by_stamped_headers({"desk": "closed"})
    scene.revoke(str(uuid4()))  # the worker obeys in order, and says nothing of the former
    signature = scene.worker.task(f"{TRADING}.succeed").clone(kwargs=where)
    signature.stamp(desk="closed")
    return scene.publish(signature, where["bot_id"])


def terminated(name: str) -> Scenario:
    """Revoke a running task with its process."""

    def scenario(scene: Scene, where: dict[str, str]) -> AsyncResult:
        result = scene.send(name, {**where, "seconds": 60})
        wait_until(lambda: result.state == "STARTED", "the task to start")
        scene.worker.app.control.revoke(result.id, terminate=True)
        return result

    return scenario


def kwargs_no_mapping(scene: Scene, where: dict[str, str]) -> None:
    """Send a message whose keyword arguments are a text."""
    scene.forge(where, json.dumps([[], f"api_key={PLANTED}", {}]))


def unregistered(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a task that the worker does not have, with a secret among its arguments."""
    return scene.send("elsewhere.tasks.place_order", {**where, "api_key": PLANTED})


def unregistered_by_stranger(scene: Scene, where: dict[str, str]) -> None:
    """Send the same from a producer without monitoring: only the arguments say whose it is."""
    signature = scene.worker.task("elsewhere.tasks.place_order").clone(kwargs={**where, "api_key": PLANTED})
    scene.publish_unmonitored(signature, where["bot_id"])


def undecodable(scene: Scene, where: dict[str, str]) -> None:
    """Send a body that is cut off, with a secret in it."""
    scene.forge(where, f'[[], {{"api_key": "{PLANTED}"')


def refused_content(scene: Scene, where: dict[str, str]) -> None:
    """Send a body in a format that the worker does not accept."""
    scene.forge(where, f"- api_key: {PLANTED}", content_type="application/x-yaml")


def no_task(scene: Scene, _: dict[str, str]) -> None:
    """Send something that is no task at all."""
    scene.publish_raw(json.dumps({"api_key": PLANTED}), "application/json", {})


def wrong_shape(scene: Scene, where: dict[str, str]) -> None:
    """Send valid JSON that is no task's body: it ends Celery's worker."""
    scene.forge(where, json.dumps([PLANTED]))
    scene.worker.wait()
    # It is back on the queue, where it would end the next worker as well.
    scene.stage.database.client.delete("celery")


def linked_to_nowhere(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a task whose callback goes to a queue that does not exist."""
    signature = scene.worker.task(f"{TRADING}.succeed").clone(kwargs=where)
    signature.link(scene.worker.task("step").set(queue="nowhere"))
    return scene.publish(signature, where["bot_id"])


def error_linked_to_nowhere(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a failing task whose error callback goes to a queue that does not exist."""
    signature = scene.worker.task(f"{TRADING}.fail").clone(kwargs=where)
    signature.link_error(scene.worker.task("elsewhere.desk.tell").set(queue="nowhere"))
    return scene.publish(signature, where["bot_id"])


def failing_callback(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a task whose callback fails: the callback is a task with an outcome of its own."""
    signature = scene.worker.task(f"{TRADING}.succeed").clone(kwargs=where)
    signature.link(scene.worker.task(f"{TRADING}.step").clone(kwargs={"message": "the callback broke"}))
    result = scene.publish(signature, where["bot_id"], context=where)
    del scene.ids[where["bot_id"]]  # the event is the callback's
    return result


def chord_with_failing_header(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a chord whose body never runs, because a member of its header fails."""
    step = scene.worker.task(f"{TRADING}.step")
    header = [step.clone(), step.clone(kwargs={"message": "a member broke"}, task_id=str(uuid4()))]
    return _chord(scene, where, header, step.clone(kwargs={"message": "never"}), header[1].options["task_id"])


def chord_with_lost_body(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a chord whose body cannot be published."""
    step = scene.worker.task(f"{TRADING}.step")
    header = [step.clone(), step.clone()]
    result = _chord(scene, where, header, step.clone().set(queue="nowhere"), "")
    del scene.ids[where["bot_id"]]  # whichever member ends last
    return result


def _chord(scene: Scene, where: dict[str, str], header: list[Signature], body: Signature, told: str) -> AsyncResult:
    result = scene.publish(chord(header, body, app=scene.worker.app), where["bot_id"], context=where)
    scene.ids[where["bot_id"]] = told
    return result


def chained(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a chain: the first link retries and leaves breadcrumbs, the second fails."""
    first = scene.worker.task(f"{TRADING}.retry_then_succeed").clone(kwargs=where)
    second = scene.worker.task(f"{TRADING}.step").clone(kwargs={"message": "the second link broke"})
    return scene.publish(chain(first, second, app=scene.worker.app), where["bot_id"])


def grouped(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send a group whose members fail after a retry, each with breadcrumbs of its own."""
    members = [
        scene.worker.task(f"{TRADING}.retry_then_fail").clone(kwargs={**where, "symbol": symbol})
        for symbol in ("AAA/USDT", "BBB/USDT")
    ]
    return scene.publish(group(members, app=scene.worker.app), where["bot_id"])


def from_a_stranger(name: str, **more: Any) -> Scenario:
    """Send a task from a producer without monitoring."""

    def scenario(scene: Scene, where: dict[str, str]) -> AsyncResult:
        full = name if "." in name else f"{TRADING}.{name}"
        return scene.publish_unmonitored(scene.worker.task(full).clone(kwargs={**where, **more}), where["bot_id"])

    return scenario


def from_the_future(scene: Scene, where: dict[str, str]) -> AsyncResult:
    """Send the second attempt of a task whose first ran on a machine with a clock one hour ahead."""
    ahead = time.time() + 3600
    record = {
        "attempt": 1,
        "worker": "ahead@elsewhere",
        "error_class": "ExchangeError",
        "message": "attempt 1 timed out",
    }
    crumb = [ahead, 1, "trading", "info", "attempt 1 far ahead", None]
    header = json.dumps({"v": 1, "p": ahead, "f": ahead - 5, "a": [record], "b": [crumb]})
    signature = scene.worker.task(f"{TRADING}.retry_then_fail").clone(kwargs=where)
    return scene.publish_unmonitored(signature, where["bot_id"], headers={message.HEADER: header}, retries=1)


def from_the_unsampled(name: str) -> Scenario:
    """Send a task whose trace its producer has decided not to sample."""

    def scenario(scene: Scene, where: dict[str, str]) -> AsyncResult:
        trace = {"sentry-trace": f"{uuid4().hex}-{uuid4().hex[:16]}-0"}
        signature = scene.worker.task(f"{TRADING}.{name}").clone(kwargs=where)
        return scene.publish_unmonitored(signature, where["bot_id"], headers=trace)

    return scenario


def exits_a_thread(scene: Scene, where: dict[str, str]) -> None:
    """Call a task that wants to leave a process which is not its own: its result is never ready."""
    scene.send("exit_process", where)


def out_of_memory(scene: Scene, where: dict[str, str]) -> None:
    """Call a task whose error ends Celery's worker."""
    scene.send(f"{ENDINGS}.out_of_memory", where)
    scene.worker.wait()


def cold_shutdown(scene: Scene, where: dict[str, str]) -> None:
    """Cut the worker off while it runs two tasks; one of them holds its message until the end."""
    early = scene.send("sleepy", {**where, "seconds": 60})
    late = scene.send(f"{ENDINGS}.late", {**where, "bot_id": f"{where['bot_id']}-late", "seconds": 60})
    wait_until(lambda: early.state == late.state == "STARTED", "both tasks to start")
    scene.worker.kill("SIGQUIT")
    scene.worker.wait()


def beside_it(_: Scene, __: dict[str, str]) -> None:
    """Do nothing: the scenario before has played this one too."""
