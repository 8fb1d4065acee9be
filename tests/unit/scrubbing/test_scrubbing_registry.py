"""Secrets that this process holds."""

import os
import threading
import tracemalloc

import pytest

from monitoring.scrubbing import register_secret, scrub_text, scrub_value, text, walk
from monitoring.scrubbing.readings import ANYWHERE, Reading
from monitoring.scrubbing.registry import SECRETS, Registry

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


@pytest.mark.parametrize(
    ("secret", "error", "rule"),
    [
        ("sh0rt", ValueError, "at least 8 characters, got 5"),
        ("  pad   ", ValueError, "at least 8 characters, got 3"),
        (b"sh0rt", ValueError, "at least 8 characters, got 5"),
        ("x" * 20_000, ValueError, "at most 16384 characters, got 20000"),
        ("Filtered", ValueError, "part of a mark"),
        (12345678, TypeError, "str or bytes, got int"),
        (["12345678"], TypeError, "str or bytes, got list"),
    ],
)
def test_what_cannot_be_told_from_text_is_refused(secret: object, error: type[Exception], rule: str) -> None:
    """The message names the rule, and never the value."""
    with pytest.raises(error, match=rule) as refusal:
        register_secret(secret)  # type: ignore[arg-type]  # the point of the test
    assert str(secret) not in str(refusal.value)


def test_a_secret_may_be_bytes() -> None:
    """Keys come as bytes too, and need not be text."""
    register_secret(b"\xff\xfe" + KEY.encode())
    assert scrub_text(f"b'\\xff\\xfe{KEY}'") == "b'[Filtered]'"


@pytest.mark.parametrize(
    "text", [f"{KEY[:8]}...", f"{KEY[:12]}***", f"***{KEY[-8:]}", f"{KEY[:8]}…{KEY[-8:]}", f"key {KEY[:20]}"]
)
def test_the_beginning_and_the_end_of_a_secret_do_not_leave(text: str) -> None:
    """Half a key narrows the search for the other half."""
    register_secret(KEY)
    assert not any(KEY[at : at + 6] in scrub_text(text) for at in range(len(KEY) - 5))


def test_words_that_begin_a_bad_secret_stay_readable() -> None:
    """A secret called password-… does not blank out the word."""
    register_secret("password-of-the-trading-desk")
    assert scrub_text("the password was refused") == "the password was refused"
    assert scrub_text("password-of-the-trading-desk") == "[Filtered]"


def test_a_key_of_several_lines_is_known_by_each() -> None:
    """A line of a PEM key does not leave by itself."""
    line = "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY"
    register_secret(f"-----BEGIN EC PRIVATE KEY-----\n{line}\n-----END EC PRIVATE KEY-----\n")
    assert line not in scrub_text(f"line {line} of it")


def test_registering_twice_is_registering_once() -> None:
    """A task may register its credentials each time it runs."""
    for _ in range(3):
        register_secret(KEY)
    assert len(SECRETS) == 1


def test_memory_is_bounded_and_the_least_recent_secret_makes_room() -> None:
    """A worker that lives for months and serves thousands of users does not grow."""
    registry = Registry(most_secrets=50)
    for number in range(50):
        registry.register(f"{number:04}-Secret-aBcDeFgH")
    registry.register("0000-Secret-aBcDeFgH")  # in use again
    grams = len(registry._index)
    for number in range(50, 99):
        registry.register(f"{number:04}-Secret-aBcDeFgH")
    assert len(registry) == 50
    assert len(registry._index) < grams * 1.5
    assert registry.redact("0000-Secret-aBcDeFgH 0098-Secret-aBcDeFgH") == "[Filtered] [Filtered]"
    assert registry.redact("0001-Secret-aBcDeFgH") == "0001-Secret-aBcDeFgH"


def test_two_thousand_secrets_take_a_few_megabytes() -> None:
    """The bound of the registry is a bound in bytes."""
    tracemalloc.start()
    registry = Registry()
    for number in range(2000):
        registry.register(os.urandom(24).hex() + str(number))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 60_000_000


def test_threads_may_register_while_others_scrub() -> None:
    """A secret is known as soon as `register_secret` has returned, and scrubbing never waits."""
    failures: list[str] = []

    def run(thread: int) -> None:
        for number in range(40):
            secret = f"thread-{thread}-Secret-{number:04}-xYz"
            register_secret(secret)
            if secret in scrub_text(f"a {secret} b"):
                failures.append(secret)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(SECRETS) == 240


def test_a_name_that_becomes_a_secret_while_it_is_read_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found harmless is looked at again, also when another thread registers it at that moment."""
    real = text.clean
    read: list[str] = []

    def clean(name: str, reading: Reading = ANYWHERE) -> str:
        cleaned = real(name, reading)
        read.append(name)
        if read == ["venue-of-Meanwhile-7"] * 2:  # the key itself has been written, and what it says is remembered
            register_secret(name)
        return cleaned

    monkeypatch.setattr(walk, "clean", clean)
    scrub_value({"venue-of-Meanwhile-7": 1})
    assert scrub_value({"venue-of-Meanwhile-7": 1}) == {"[Filtered]": 1}


def test_a_child_process_knows_the_secrets_and_may_add_some() -> None:
    """Also if the parent was registering one at the moment of the fork."""
    register_secret(KEY)
    with SECRETS._lock:
        child = os.fork()
        if child == 0:
            register_secret("another-Secret-of-the-child-1")
            clean = scrub_text(f"{KEY} another-Secret-of-the-child-1") == "[Filtered] [Filtered]"
            os._exit(0 if clean else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
