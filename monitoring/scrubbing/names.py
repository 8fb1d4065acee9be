"""What the name of a field says about its value.

Names are compared word by word (`binanceApiKey`, `BINANCE_API_KEY` and `binance-api-key` are the same three words),
because a substring says too little: `routing_key` and `secret_santa` are no secrets, `KC-API-PASSPHRASE` is one.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from monitoring.scrubbing.headers import is_secret_header
from monitoring.scrubbing.words import names, verbatim, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(Enum):
    """How far a name gives its value away."""

    PLAIN = "says nothing: only the value's own shape counts"
    SECRET = "taken out whatever the value"  # noqa: S105  # a description, not a password
    GUARDED = "taken out when long enough to be a secret: `token` is also a coin, `sign` a direction"
    OPAQUE = "taken out when it looks random: `key` is also a cache key"
    PERSONAL = "taken out whatever the value: it says who somebody is"
    ADDRESS = "replaced by a short stable token when it is a wallet's address"


# One of these words anywhere makes a secret.
SECRET_WORDS: Final = names("""
    secret password passwd passphrase passcode pwd apikey apisecret secretkey privatekey accesskey accesskeyid mnemonic
    credential cred authorization authent authenticate cookie csrf xsrf csrftoken jwt hmac totp otp twofa mfa
    authenticator listenkey seedphrase wif xprv xpriv cvv cvc signature bearer apitoken accesstoken authtoken aptoken
""")
# So does a last word that ends in one of these: names that run words together.
SECRET_ENDINGS: Final = (
    *("apikey", "apisecret", "secretkey", "privatekey", "accesskey", "password", "passphrase", "listenkey"),
    *("accesstoken", "authtoken", "fatoken", "signature", "sessionid", "appkey", "accesskeyid"),
)
# `key` and `token` are secret after one of these words. An exchange's name alone says as much: BINANCE_KEY.
KEY_OWNERS: Final = names("""
    api access secret private auth signing sign encryption encrypt master wallet client consumer app application service
    shared session deploy listen public ssh rsa 25519 hmac storage license
    binance bybit okx kraken kucoin coinbase bitget gate gateio huobi htx mexc bitfinex bitstamp gemini bitmex deribit
    phemex bingx bitmart whitebit hyperliquid dydx bitvavo coinex upbit bithumb ccxt
    alchemy infura quicknode moralis sentry telegram
""")
TOKEN_OWNERS: Final = names("""
    api access auth refresh id bearer session csrf bot telegram slack discord oauth security reset push deploy webhook
    user phemex client sentry test
""")
SECRET_PAIRS: Final = frozenset(
    {
        *((owner, "key") for owner in KEY_OWNERS),
        *((owner, "token") for owner in TOKEN_OWNERS),
        *((owner, "phrase") for owner in ("seed", "recovery", "secret", "backup", "pass", "wallet")),
        *((owner, "code") for owner in ("recovery", "backup", "auth", "verification", "pin", "security")),
        *((owner, "number") for owner in ("card", "pan")),
        *((owner, "pass") for owner in ("db", "database", "user", "redis", "mail", "smtp", "broker", "proxy")),
        *((owner, "pw") for owner in ("db", "database", "user", "redis", "mail", "smtp", "broker", "proxy")),
        *(("card", "no"), ("pass", "word"), ("two", "factor"), ("2", "fa"), ("wallet", "seed"), ("session", "id")),
    }
)
# These are too short to be looked for inside a name.
SECRET_WHOLE: Final = names("pin iban pan card pw")
GUARDED_LAST: Final = names("pass token sign sig auth seed signer pk sid session jws")
OPAQUE_LAST: Final = names("key keypair")

# A last word that says "about the secret, not the secret".
ABOUT: Final = names("""
    name count at expires expiry expired expiration ttl length len type prefix version status algorithm alg enabled
    required valid error class field header path policy strategy ms seconds days hours limit rule kind format address
    santa mode loader backend validators
""")
# Names that the rules above would take out, and that operators need to read.
READABLE: Final = names("""
    routing_key cache_key queue primary_key foreign_key sort_key partition_key idempotency_key dedupe_key dedup_key
    group_key lock_key redis_key message_key unique_key task_key result_key binding_key queue_key stamp_key
    secret_santa trading_session market_session
""")

PERSONAL_NAMES: Final = names("""
    email e_mail username user_name phone mobile telephone msisdn first_name last_name full_name surname given_name
    family_name middle_name date_of_birth dob birthdate birth_date birthday national_id passport passport_number ssn
    tax_id id_number street street_address postal_address postal_code zip_code zipcode home_address billing_address
    shipping_address mobile_number remote_addr remote_ip user_ip x_forwarded_for x_real_ip forwarded_for
    cf_connecting_ip true_client_ip chat_id telegram_id account_id account_number subaccount user_ip_address
    user_agent_original holder_name cardholder_name account_holder beneficiary_name
""")
PERSONAL_ENDINGS: Final = (
    *("email", "phone", "user_agent", "client_ip", "client_address", "date_of_birth", "phone_number", "chat_id"),
)
ADDRESS_NAMES: Final = names("""
    address wallet wallet_address to from from_address to_address deposit_address withdraw_address withdrawal_address
    recipient sender payee destination_address source_address addr owner maker taker
""")
ADDRESS_ENDINGS: Final = ("_wallet", "_wallet_address")
# Inside `user`, and only there, these words are somebody's.
USER_NAMES: Final = names("name uid ip ip_address address geo login nickname display_name handle")
# Inside a URL's query, and only there, these are an exchange's.
QUERY_NAMES: Final = verbatim("sig sign signature key auth token code_verifier")

LONGEST_NAME: Final = 128


def classify(name: str) -> Kind:
    """Say what a dictionary key, a variable or a parameter of this name holds."""
    # A name beyond any sensible length is not remembered: the memory of names stays bounded in bytes too.
    return _classify(name) if len(name) <= LONGEST_NAME else _classify.__wrapped__(name[-LONGEST_NAME:])


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
    words = words_of(name)
    if not words:
        return Kind.PLAIN
    verdicts = _about_itself(name.lower(), words) if words[-1] not in ABOUT else iter(())
    return next(verdicts, None) or _about_somebody(words)


def _about_itself(lowered: str, words: tuple[str, ...]) -> Iterator[Kind]:
    """Yield what the name says of a secret, the strongest first."""
    whole, last = "_".join(words), words[-1]
    if "_".join(words_of(lowered.rpartition(".")[2])) in READABLE or whole in READABLE:
        return
    if (
        whole in SECRET_WHOLE
        or not SECRET_WORDS.isdisjoint(words)
        or not SECRET_PAIRS.isdisjoint(pairwise(words))
        or last.endswith(SECRET_ENDINGS)
        or ("-" in lowered and is_secret_header(lowered))  # a header's name, though nobody said that it is one
    ):
        yield Kind.SECRET
    if last in GUARDED_LAST:
        yield Kind.GUARDED
    if last in OPAQUE_LAST:
        yield Kind.OPAQUE


def _about_somebody(words: tuple[str, ...]) -> Kind:
    whole = "_".join(words)
    if whole in PERSONAL_NAMES or whole.endswith(PERSONAL_ENDINGS):
        return Kind.PERSONAL
    return Kind.ADDRESS if whole in ADDRESS_NAMES or whole.endswith(ADDRESS_ENDINGS) else Kind.PLAIN
