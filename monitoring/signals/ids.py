"""New names for traces, spans and events."""

from __future__ import annotations

import os
import random
from typing import Final

#: Not of the SDK's: it asks the kernel for each, and an application that seeds `random` would get the same ids again.
_ids: Final = random.Random()  # noqa: S311  # names, not secrets
os.register_at_fork(after_in_child=_ids.seed)


def new_id(digits: int) -> str:
    """Return a new name of so many hexadecimal digits: 32 for a trace or an event, 16 for a span."""
    return f"{_ids.getrandbits(4 * digits):0{digits}x}"
