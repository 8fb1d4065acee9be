"""Stop the processes of a runner that was killed outright (SIGKILL, out of memory) and could not stop them itself.

Run by its path as a process of its own: it reads ``+pid`` and ``-pid`` from its standard input, which the runner alone
keeps open. The end of that input is the end of the runner; whatever is left is then stopped in reverse order.
"""

import os
import signal
import sys
import time

PATIENCE_SECONDS = 10.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Follow the runner until its end, then stop what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the runner, which closes our input when it is done
    running: list[int] = []
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            running.append(pid)
        else:
            running.remove(pid)
    for pid in reversed(running):
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            os.kill(pid, signal.SIGTERM)
            while _alive(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
