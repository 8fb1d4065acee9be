"""Job control, as a shell does it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def foreground() -> Iterator[None]:
    """Receive Ctrl-C alone, without the `make` that started this program: it would end with 130 whatever we do.

    Does nothing without a terminal, in the background, or when a shell has given this program a group of its own.
    Ctrl-Z is ignored meanwhile: the `make` above would not notice the stop and the terminal would hang.
    """
    caller = os.getpgrp()
    if caller == os.getpid() or not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != caller:
        yield
        return
    ignored = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(sys.stdin.fileno(), caller)
        os.setpgid(0, caller)
        for number, handler in ignored.items():
            signal.signal(number, handler)
