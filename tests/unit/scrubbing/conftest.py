"""A registry of live secrets that each test finds empty."""

from collections.abc import Iterator

import pytest

from monitoring.scrubbing.registry import SECRETS


@pytest.fixture(autouse=True)
def _no_secret_is_registered() -> Iterator[None]:
    SECRETS.clear()
    yield
    SECRETS.clear()
