"""What a forked process must not inherit: counts that its parent will report, and locks that nobody will release."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

if TYPE_CHECKING:
    from collections.abc import Callable


def call_after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every child that is forked from now on, as long as its object lives."""
    reference: WeakMethod[Any] = WeakMethod(method)

    def in_child() -> None:
        renew = reference()
        if renew is not None:
            renew()

    os.register_at_fork(after_in_child=in_child)
