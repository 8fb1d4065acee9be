"""The exchange-error table: rows in order, the first that matches decides. An application puts its own rows before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitoring.filtering.errors.ccxt import CCXT
from monitoring.filtering.errors.http import HTTP
from monitoring.filtering.errors.platforms import PLATFORMS
from monitoring.filtering.errors.services import PYTHON, SERVICES, TASKS

if TYPE_CHECKING:
    from monitoring.filtering.errors.row import ErrorRow

#: Python's own errors stand last: `ssl.SSLCertVerificationError` and others are ValueErrors too.
EXCHANGE_ERRORS: Final[tuple[ErrorRow, ...]] = (*CCXT, *PLATFORMS, *HTTP, *SERVICES, *TASKS, *PYTHON)
