"""What the operator sees of the processes: whole lines, each behind a name."""

import io
import threading

import pytest

from worker.local.screen import Screen


def test_a_line_stands_behind_its_name() -> None:
    """Align names; the runner's own lines are called system, each of several by itself."""
    output = io.StringIO()
    screen = Screen(output)
    screen.line("web", "listening")
    screen.say("one\ntwo", bad=True)
    assert output.getvalue() == "web      | listening\nsystem   | one\nsystem   | two\n"


def test_colours_tell_processes_apart_on_a_terminal_only() -> None:
    """Give each name a colour of its own, and what is bad another."""
    output = io.StringIO()
    screen = Screen(output, colours=True)
    screen.line("web", "a")
    screen.line("worker", "b")
    screen.say("c", bad=True)
    first, second, third = output.getvalue().splitlines()
    assert first.startswith("\x1b[36mweb")
    assert second.startswith("\x1b[33mworker")
    assert third.endswith("\x1b[31mc\x1b[0m")


def test_a_file_gets_no_colours() -> None:
    """Write no escape sequences where nobody sees them."""
    output = io.StringIO()
    Screen.for_stream(output).line("a", "b")
    assert output.getvalue() == "a        | b\n"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write none to a terminal either when the operator wants none."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    output = Terminal()
    Screen.for_stream(output).say("with")
    monkeypatch.setenv("NO_COLOR", "1")
    Screen.for_stream(output).say("without")
    with_colours, without = output.getvalue().splitlines()
    assert "\x1b" in with_colours
    assert "\x1b" not in without


def test_lines_of_many_threads_do_not_mix() -> None:
    """Write one line at a time, whole."""
    output = io.StringIO()
    screen = Screen(output)

    def write(name: str) -> None:
        for _ in range(200):
            screen.line(name, name * 50)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(output.getvalue().splitlines()) == {f"{name:<8} | {name * 50}" for name in "abcd"}


def test_nobody_reads_any_more() -> None:
    """Fall silent when the reader has gone; the processes must still be stopped in order."""

    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    screen = Screen(Gone())
    screen.line("a", "b")
    screen.say("c")
