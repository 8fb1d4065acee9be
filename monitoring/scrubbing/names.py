"""What the name of a field says about its value.

Names are compared word by word (`binanceApiKey`, `BINANCE_API_KEY` and `binance-api-key` are the same three words), because a
substring says too little: `routing_key` and `secret_santa` are no secrets, `KC-API-PASSPHRASE` is one.
"""

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import Final

from monitoring.scrubbing.headers import is_secret_header


class Kind(Enum):
    """How far a name gives its value away."""

    PLAIN = "says nothing: only the value's own shape counts"
    SECRET = "taken out whatever the value"  # noqa: S105 (a description, not a password)
    GUARDED = "taken out when long enough to be a secret: `token` is also a coin, `sign` a direction"
    OPAQUE = "taken out when it looks random: `key` is also a cache key"
    PERSONAL = "taken out whatever the value: it says who somebody is"
    ADDRESS = "replaced by a short stable token when it is a wallet's address"


_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(name: str) -> tuple[str, ...]:
    """Split a name into its words in lower case, without a plural's s: `walletPrivateKeys` is wallet, private, key."""
    return tuple(_singular(word.lower()) for word in _WORD.findall(name))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word  # noqa: PLR2004


def _table(names: str) -> frozenset[str]:
    """Read a table in the form in which names are compared."""
    return frozenset("_".join(words_of(name)) for name in names.split())


_LONGEST_NAME: Final = 128

# One of these words anywhere makes a secret.
SECRET_WORDS: Final = frozenset(
    "secret password passwd passphrase passcode pwd apikey apisecret secretkey privatekey accesskey accesskeyid mnemonic "
    "credential cred authorization authent authenticate cookie csrf xsrf csrftoken jwt hmac totp otp twofa 2fa mfa "
    "authenticator listenkey seedphrase wif xprv xpriv cvv cvc signature bearer apitoken accesstoken authtoken aptoken".split()
)
# A name that ends in one of these run-together words.
SECRET_ENDINGS: Final = (
    "apikey",
    "apisecret",
    "secretkey",
    "privatekey",
    "accesskey",
    "password",
    "passphrase",
    "listenkey",
    "accesstoken",
    "authtoken",
    "signature",
    "fatoken",
    "sessionid",
)
# `key` and its like are secret after one of these words. An exchange's name alone says as much: BINANCE_KEY.
KEY_OWNERS: Final = frozenset(
    "api access secret private auth signing sign encryption encrypt master wallet client consumer app application service "
    "shared session deploy listen public ssh rsa ed25519 hmac storage license binance bybit okx "
    "kraken kucoin coinbase bitget gate gateio huobi htx mexc bitfinex bitstamp gemini bitmex deribit phemex bingx bitmart "
    "whitebit hyperliquid dydx bitvavo coinex upbit bithumb ccxt alchemy infura quicknode moralis sentry telegram".split()
)
TOKEN_OWNERS: Final = frozenset(
    "api access auth refresh id bearer session csrf bot telegram slack discord oauth security reset push deploy webhook user "
    "phemex client sentry test".split()
)
SECRET_PAIRS: Final = frozenset(
    {
        *((owner, "key") for owner in KEY_OWNERS),
        *((owner, "token") for owner in TOKEN_OWNERS),
        *((owner, "phrase") for owner in ("seed", "recovery", "secret", "backup", "pass", "wallet")),
        *(
            (owner, "code")
            for owner in ("recovery", "backup", "auth", "authorization", "verification", "pin", "security")
        ),
        *((owner, "id") for owner in ("session",)),
        *((owner, "number") for owner in ("card", "pan", "iban")),
        ("pass", "word"),
        ("two", "factor"),
        ("2", "fa"),
        ("wallet", "seed"),
        ("card", "no"),
        ("x", "pck"),
    }
)
SECRET_WHOLE: Final = frozenset({"pin", "iban", "pan", "card", "auth_header"})
GUARDED_LAST: Final = frozenset("token sign sig auth seed signer pk sid session jws".split())

# A word after the secret word that says "about it, not it".
ABOUT: Final = _table(
    "name names count at expires expiry expired expiration ttl length len type prefix version status algorithm alg enabled "
    "required valid error errors class field header path policy strategy ms seconds days hours limit rule rules kind format "
    "address santa mode loader backend validators"
)
# Names the rules above would take out, and which operators need to read.
READABLE: Final = _table(
    "routing_key cache_key queue primary_key foreign_key sort_key partition_key idempotency_key dedupe_key dedup_key group_key "
    "lock_key redis_key message_key unique_key secret_santa session_type trading_session market_session token_id public_key_id "
    "broker_connection_retry task_key result_key binding_key queue_key stamp_key"
)

PERSONAL_NAMES: Final = _table(
    "email e_mail user_email username user_name phone mobile telephone phone_number mobile_number msisdn first_name last_name "
    "full_name surname given_name family_name middle_name date_of_birth dob birthdate birth_date birthday national_id passport "
    "passport_number ssn tax_id id_number street street_address postal_address postal_code zip_code zipcode home_address "
    "billing_address shipping_address client_ip remote_addr remote_ip user_ip x_forwarded_for x_real_ip forwarded_for "
    "cf_connecting_ip true_client_ip chat_id telegram_id telegram_chat_id user_agent account_id account_number "
    "subaccount subaccount_email sub_account_email client_address user_ip_address user_agent_original holder_name "
    "cardholder_name account_holder beneficiary_name"
)
PERSONAL_TAILS: Final = ("email", "phone", "user_agent", "client_ip", "client_address", "date_of_birth", "phone_number")
ADDRESS_NAMES: Final = _table(
    "address wallet wallet_address to from from_address to_address deposit_address withdraw_address withdrawal_address recipient "
    "sender payee destination_address source_address addr owner maker taker"
)
# Inside `user`, and only there, these words are somebody's.
USER_NAMES: Final = _table("name uid ip ip_address address geo login nickname display_name handle")
# Inside a URL's query, short names are the exchange's, not a coder's.
QUERY_NAMES: Final = frozenset(
    "sig sign signature key apikey auth token access_key accesskeyid secret code_verifier".split()
)


def classify(name: str) -> Kind:
    """Say what a dictionary key, a variable or a parameter of this name holds."""
    # A name beyond any sensible length is not remembered: the memory of names stays bounded in bytes too.
    return _classify(name) if len(name) <= _LONGEST_NAME else _classify.__wrapped__(name[-_LONGEST_NAME:])


def classify_header(name: str) -> Kind:
    """Say what an HTTP header of this name holds."""
    return Kind.SECRET if is_secret_header(name) else classify(name)


def classify_query(name: str) -> Kind:
    """Say what a parameter of this name holds in a URL."""
    kind = classify(name)
    return Kind.GUARDED if kind in (Kind.PLAIN, Kind.OPAQUE) and name.lower() in QUERY_NAMES else kind


def classify_user(name: str) -> Kind:
    """Say what a field of this name holds inside `user`."""
    return Kind.PERSONAL if "_".join(words_of(name)) in USER_NAMES else classify(name)


@lru_cache(maxsize=8192)
def _classify(name: str) -> Kind:
    if name.startswith("HTTP_"):  # a WSGI environment's spelling of a header
        return classify_header(name.removeprefix("HTTP_"))
    name = name.rpartition(".")[2] if "." in name and not name.lower().endswith("original") else name
    words = words_of(name)
    if not words:
        return Kind.PLAIN
    whole = "_".join(words)
    if whole in READABLE or words[-1] in ABOUT:
        return _personal_or_address(whole)
    return next(_verdicts(name, words, whole))


def _verdicts(name: str, words: tuple[str, ...], whole: str) -> Iterator[Kind]:
    """Yield verdicts, the strongest first; the last always stands."""
    lowered = name.lower()
    if (
        whole in SECRET_WHOLE
        or not SECRET_WORDS.isdisjoint(words)
        or not SECRET_PAIRS.isdisjoint(pairwise(words))
        or words[-1].endswith(SECRET_ENDINGS)
        or lowered in SECRET_WORDS
        or _is_signing_header(lowered)
    ):
        yield Kind.SECRET
    if words[-1] in GUARDED_LAST:
        yield Kind.GUARDED
    if words[-1] in ("key", "keypair"):
        yield Kind.OPAQUE
    yield _personal_or_address(whole)


def _personal_or_address(whole: str) -> Kind:
    if whole in PERSONAL_NAMES or whole.endswith(PERSONAL_TAILS):
        return Kind.PERSONAL
    return Kind.ADDRESS if whole in ADDRESS_NAMES else Kind.PLAIN


def _is_signing_header(lowered: str) -> bool:
    """Know a header by its dashes, also where nobody said that it is one."""
    return "-" in lowered and is_secret_header(lowered)
