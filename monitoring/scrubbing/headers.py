"""Which HTTP headers carry a credential.

One rule instead of a list of a hundred exchanges: the last word of the name tells. A bare `KEY` or `Sign` counts only here;
anywhere else it is a cache key or a direction.
"""

from typing import Final

SECRET_LAST_WORDS: Final = frozenset(
    "key apikey sign signature passphrase secret token payload mac authent auth authorization authentication cookie "
    "cookies password pck 2fa csrftoken xsrftoken".split()
)
SECRET_ENDINGS: Final = ("apikey", "accesskeyid", "signature", "secret", "passphrase", "password", "token", "accesskey")
# Those the rule does not know: each is one exchange's own invention.
ODD_NAMES: Final = frozenset(
    {
        "request-api",  # btse
        "request-sign",
        "x-auth-nonce",  # bitstamp: the nonce is part of what is signed
        "authenticate",  # ndax
        "authenticate2fa",
        "pending2fatoken",
        "tapi-id",  # mercado
        "x-user-id",
        "x-api-id",
        "x-apikey-id",
        "x-hk-id",
        "cb-access-project-id",
    }
)
READABLE_NAMES: Final = frozenset({"idempotency-key", "x-idempotency-key", "sec-websocket-key", "surrogate-key"})


def is_secret_header(name: str) -> bool:
    """Tell whether an HTTP header of this name carries a credential or a signature."""
    lowered = name.lower().replace("_", "-")
    return lowered not in READABLE_NAMES and (
        lowered.rpartition("-")[2] in SECRET_LAST_WORDS or lowered in ODD_NAMES or lowered.endswith(SECRET_ENDINGS)
    )
