"""Our exchange errors are ccxt's by name and ancestry."""

import inspect

import pytest

from worker import errors

OURS = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.BaseError)]


@pytest.mark.parametrize("ours", OURS, ids=lambda item: item.__name__)
def test_error_has_the_ancestors_that_ccxt_gives_it(ours: type[errors.BaseError]) -> None:
    """Who judges an error by the names in its MRO can not tell ours from ccxt's."""
    theirs = pytest.importorskip("ccxt.base.errors", exc_type=ImportError)

    assert [item.__name__ for item in ours.__mro__] == [
        item.__name__ for item in getattr(theirs, ours.__name__).__mro__
    ]
