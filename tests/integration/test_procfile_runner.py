"""`make run` below the surface: start in order, stop in reverse, signal nobody's children, leave nothing behind.

The processes here are small scripts that write down what happens to them; the real stack is run in tests/e2e.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.runner import ROOT, Runner
from tests.harness.server import free_port

# Says that it started; on SIGTERM says so, works on for a while, and ends with a code. Its child does the same.
SCRIPT = """
import os, signal, subprocess, sys, time
name, work, code = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
def stop(number, frame):
    print(f"{name} got {signal.Signals(number).name}", flush=True)
    time.sleep(work)
    print(f"{name} finished", flush=True)
    os._exit(code)
for number in (signal.SIGTERM, signal.SIGQUIT):
    signal.signal(number, stop)
if "child" in sys.argv:
    subprocess.Popen([sys.executable, __file__, f"child of {name}", "0", "0"])
print(f"{name} started", flush=True)
while True:
    time.sleep(60)
"""

Run = Callable[..., Runner]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run a Procfile: `run("a: ...", "b: ...", options=["--grace", "1"])`; fail if it leaves a process."""
    runners: list[Runner] = []
    script = tmp_path / "process.py"
    script.write_text(SCRIPT)

    def run(*lines: str, options: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Runner:
        procfile = tmp_path / "Procfile"
        procfile.write_text("\n".join(line.replace("SCRIPT", f"exec python {script}") for line in lines))
        runners.append(Runner(tmp_path, str(procfile), *options, env=env))
        return runners[-1]

    yield run
    left = [line for runner in runners for line in runner.close()]
    assert not left, left


def told(runner: Runner, *words: str) -> list[str]:
    """Return what the processes wrote, without the runner's own lines, where a line contains one of the words."""
    lines = [line.partition(" | ")[2] for line in runner.output.splitlines() if not line.startswith("system")]
    return [line for line in lines if any(word in line for word in words)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_starts_in_order_and_stops_in_reverse_with_zero(run: Run, number: int) -> None:
    """Stop the last first, each after the one before has finished its work, on any of the three signals."""
    runner = run("a: SCRIPT a 0.2 0", "b: SCRIPT b 0.2 0", "c: SCRIPT c 0.2 0")
    runner.await_line("a started")
    runner.await_line("b started")
    runner.await_line("c started")
    runner.await_line("Ctrl-C stops everything")
    assert runner.stop(number) == 0
    assert told(runner, "got", "finished") == [
        line for name in "cba" for line in (f"{name} got SIGTERM", f"{name} finished")
    ]
    assert re.search(r"system\s+\| 3 processes ready after", runner.output)


def test_a_process_alone_is_signalled_not_its_children(run: Run) -> None:
    """Leave a worker's children to the worker: a signal to the group would kill them in the middle of a task."""
    runner = run("a: SCRIPT a 1 0 child")
    runner.await_line("child of a started")
    runner.stop(signal.SIGINT)
    lines = told(runner, "got", "finished")
    assert lines[:2] == ["a got SIGTERM", "a finished"]
    # Only what the process itself has left is ended, afterwards, and said aloud.
    assert "child of a got SIGTERM" in lines[2:]
    assert "a left processes behind; they were ended" in runner.output


def test_ctrl_c_in_a_terminal_does_not_reach_the_processes(run: Run) -> None:
    """Give each process a session of its own: the terminal signals the runner's group only."""
    runner = run("a: SCRIPT a 0 0", "b: SCRIPT b 0 0")
    runner.await_line("a started")
    runner.await_line("b started")
    sessions = {process.pid for process in runner.below() if "process.py" in " ".join(process.cmdline())}
    assert len(sessions) == 2
    for process in runner.below():
        if process.pid in sessions:
            assert process.ppid() == runner.process.pid
    assert runner.stop(signal.SIGINT) == 0


def test_work_that_outlasts_the_grace_is_ended(run: Run) -> None:
    """Ask with SIGTERM, then SIGQUIT after the grace, then kill; say which process it was."""
    runner = run("a: SCRIPT a 0 0", "slow: SCRIPT slow 60 0", options=("--grace", "0.5"))
    runner.await_line("a started")
    runner.await_line("slow started")
    assert runner.stop(signal.SIGTERM) == 0
    assert "slow is still running: SIGQUIT" in runner.output
    assert "slow is still running: SIGKILL" in runner.output
    assert "slow stopped: signal SIGKILL" in runner.output
    assert told(runner, "a finished")


def test_a_second_ctrl_c_hurries(run: Run) -> None:
    """Escalate at once for the process that is being waited for, and give the others seconds instead of a minute."""
    runner = run("a: SCRIPT a 0 0", "slow: SCRIPT slow 60 0")
    runner.await_line("a started")
    runner.await_line("slow started")
    runner.process.kill(signal.SIGINT)
    runner.await_line("slow got SIGTERM")
    runner.process.kill(signal.SIGINT)
    runner.await_line("slow is still running: SIGQUIT", timeout=30)  # not the minute
    runner.process.kill(signal.SIGINT)
    assert runner.wait() == 0
    assert told(runner, "a finished")


def test_a_process_that_dies_stops_the_others(run: Run, tmp_path: Path) -> None:
    """End with 1, name the process, how it ended and its last words, and stop the rest in order."""
    dying = f"dying: until test -e {tmp_path}/now; do sleep 0.02; done; echo I have no broker; exit 3"
    runner = run("a: SCRIPT a 0 0", dying, "c: SCRIPT c 0 0")
    runner.await_line("a started")
    runner.await_line("c started")
    (tmp_path / "now").touch()
    assert runner.wait() == 1
    assert "dying ended unexpectedly: exit code 3" in runner.output
    assert re.search(r"its last lines:\n.*I have no broker", runner.output)
    assert "a finished" in runner.output


def test_a_process_killed_later_stops_the_others(run: Run) -> None:
    """Notice a death at any time, not only at the start."""
    runner = run("a: SCRIPT a 0 0", "b: SCRIPT b 0 0")
    runner.await_line("a started")
    runner.await_line("b started")
    next(process for process in runner.below() if process.cmdline()[-3:-2] == ["b"]).kill()
    assert runner.wait() == 1
    assert "b ended unexpectedly: signal SIGKILL" in runner.output
    assert "a finished" in runner.output


def test_killing_the_runner_leaves_nothing(run: Run) -> None:
    """Have the guardian stop everything in reverse order when the runner is killed outright."""
    runner = run("a: SCRIPT a 0 0 child", "b: SCRIPT b 0 0")
    runner.await_line("b started")
    runner.await_line("child of a started")
    runner.process.popen.kill()
    wait_until(lambda: not runner.below(), lambda: f"the end of {runner.below()}")


def test_only_some_processes_of_the_file(run: Run) -> None:
    """Start those that are named, in the file's order."""
    runner = run("a: SCRIPT a 0 0", "b: SCRIPT b 0 0", "c: SCRIPT c 0 0", options=("c", "a"))
    runner.await_line("a started")
    runner.await_line("c started")
    runner.await_line("Ctrl-C stops everything")
    assert runner.stop(signal.SIGINT) == 0
    assert told(runner, "got") == ["c got SIGTERM", "a got SIGTERM"]


def test_a_reader_that_goes_away_stops_nothing_halfway(tmp_path: Path) -> None:
    """Take no harm from `make run | head`: nobody reads any more, but the processes go on and stop in order."""
    seen = tmp_path / "seen"
    (tmp_path / "process.py").write_text(SCRIPT)
    lines = (f"a: exec python process.py a 0 0 > {seen}", "noisy: while echo line; do sleep 0.02; done")
    (tmp_path / "Procfile").write_text("\n".join(lines))
    command = [sys.executable, "-m", "worker.local.procfile", "Procfile"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as one:
        assert one.stdout is not None
        one.stdout.readline()
        one.stdout.close()
        wait_until(lambda: seen.exists() and "a started" in seen.read_text(), "the start")
        time.sleep(0.2)  # some more lines that nobody reads
        assert one.poll() is None
        one.terminate()
        assert one.wait(PATIENCE_SECONDS) == 0
    assert "a finished" in seen.read_text()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["not a process"], "Procfile:1: expected 'name: command', got 'not a process'"),
        (["a: true", "a: false"], "Procfile:2: the process 'a' is there twice"),
        (["# nothing"], "there is no process in it"),
        (["a:"], "Procfile:1: expected 'name: command'"),
    ],
)
def test_a_procfile_that_is_wrong_starts_nothing(run: Run, lines: list[str], message: str) -> None:
    """Exit with 2 and say which line is wrong."""
    runner = run(*lines)
    assert runner.wait() == 2
    assert message in runner.output


def test_an_unknown_name_or_file_starts_nothing(run: Run, tmp_path: Path) -> None:
    """Exit with 2 and say what there is."""
    runner = run("a: SCRIPT a 0 0", options=("b",))
    assert runner.wait() == 2
    assert "has no process 'b'; it has a" in runner.output
    missing = Runner(tmp_path, "no-such-file")
    assert missing.wait() == 2
    assert "cannot read no-such-file: No such file or directory" in missing.output


def test_a_port_that_is_taken_starts_nothing(run: Run) -> None:
    """Exit with 2 and name the variable to change."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        runner = run("web: SCRIPT web 0 0", env={"PORT": str(port)})
        assert runner.wait() == 2
    assert f"PORT={port}: the port is taken by another program" in runner.output


def test_processes_get_the_ports_and_the_settings_of_dotenv(run: Run, tmp_path: Path) -> None:
    """Hand on `.env`, quotes and `export` included; the environment wins over it."""
    (tmp_path / ".env").write_text("# comment\nexport FROM_FILE='two words'\nBOTH=file\n")
    port = free_port()
    line = 'web: echo "port=$PORT file=$FROM_FILE both=$BOTH"; SCRIPT web 0 0'
    runner = run(line, env={"PORT": str(port), "BOTH": "environment"})
    runner.await_line(f"port={port} file=two words both=environment")
    # It answers no HTTP, so it is never ready; stopping does not wait for that.
    assert runner.stop(signal.SIGINT) == 0


def test_ctrl_c_under_make_ends_with_zero(tmp_path: Path) -> None:
    """Take Ctrl-C alone, as a job of the terminal: `make` would otherwise die of it and say Error 130."""
    (tmp_path / "process.py").write_text(SCRIPT)
    (tmp_path / "Procfile").write_text("a: exec python process.py a 0 0\nb: exec python process.py b 0 0\n")
    (tmp_path / "Makefile").write_text(f"run:\n\t@exec {sys.executable} -m worker.local.procfile Procfile\n")
    # A terminal between two pipes: what is written to it is typed, what is read from it is shown.
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['make', 'run'])))"
    with subprocess.Popen(
        [sys.executable, "-c", terminal],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},  # nothing of a `make test` above
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as make:
        assert make.stdin is not None
        assert make.stdout is not None
        shown: list[str] = []
        starting = {"a        | a started", "b        | b started"}
        for line in make.stdout:
            shown.append(line.decode().strip())
            if starting and not (starting := starting - {shown[-1]}):
                make.stdin.write(b"\x03")
                make.stdin.flush()
        assert make.wait(PATIENCE_SECONDS) == 0, shown
    assert [line for line in shown if "finished" in line] == ["b        | b finished", "a        | a finished"], shown
    assert not [line for line in shown if "Error" in line]
