"""What can go wrong at an exchange, in ccxt's vocabulary.

The class names and their ancestry are ccxt's (a test compares them), so that whoever judges an error by the names in
its MRO treats the paper exchange's errors and ccxt's own alike, with or without ccxt installed. Two questions matter to
a caller: was it refused (`ExchangeError`: asking again will not help), or did it not work out (`OperationFailed`:
asking again may, and an order that was being placed may already be there)?
"""
# ruff: noqa: N818  # ccxt chose the names


class BaseError(Exception):
    """Anything an exchange, or the way to it, raises."""


class ExchangeError(BaseError):
    """The exchange understood and refused."""


class AuthenticationError(ExchangeError):
    """The credentials are unknown, expired or not for this address."""


class ArgumentsRequired(ExchangeError):
    """The call lacks something that only the caller knows."""


class BadRequest(ExchangeError):
    """The request makes no sense as it stands."""


class BadSymbol(BadRequest):
    """The exchange does not trade this symbol."""


class InsufficientFunds(ExchangeError):
    """The account's free balance does not cover the order."""


class InvalidOrder(ExchangeError):
    """The order breaks one of the exchange's rules."""


class OrderNotFound(InvalidOrder):
    """The exchange has no such order, or it is no longer open."""


class DuplicateOrderId(InvalidOrder):
    """Another order already carries this client order id."""


class NotSupported(ExchangeError):
    """The exchange has no such operation."""


class OperationFailed(BaseError):
    """It did not work out this time."""


class NetworkError(OperationFailed):
    """The connection broke. A request that changes state may have been carried out."""


class RateLimitExceeded(NetworkError):
    """Too many requests; this one was not carried out."""


class ExchangeNotAvailable(NetworkError):
    """The exchange does not answer anybody."""


class OnMaintenance(ExchangeNotAvailable):
    """The exchange does not answer because it is being serviced."""


class RequestTimeout(NetworkError):
    """No answer in time. A request that changes state may have been carried out."""


RETRYABLE: tuple[type[BaseError], ...] = (OperationFailed,)
"""Asking again may help. Everything else is an answer, and asking again would only get the same one."""
