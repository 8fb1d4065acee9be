"""Which HTTP headers carry a credential.

One rule instead of a list of a hundred exchanges: the last word of the name tells. A bare `KEY` or `Sign` counts only
here; anywhere else it is a cache key or a direction.
"""

from __future__ import annotations

from typing import Final

from monitoring.scrubbing.words import verbatim

SECRET_LAST_WORDS: Final = verbatim("""
    key apikey sign signature passphrase secret token payload mac authent auth authorization authentication cookie
    cookies password pck 2fa csrftoken xsrftoken
""")
SECRET_ENDINGS: Final = (
    "apikey",
    "appkey",
    "accesskeyid",
    "signature",
    "secret",
    "passphrase",
    "password",
    "token",
    "accesskey",
)
# Each is one exchange's own invention: bitstamp signs its nonce, btse, ndax and mercado have names of their own.
ODD_NAMES: Final = verbatim("""
    x-auth-nonce request-api request-sign authenticate authenticate2fa pending2fatoken tapi-id x-user-id x-api-id
""")
READABLE_NAMES: Final = verbatim("idempotency-key x-idempotency-key sec-websocket-key surrogate-key")


def is_secret_header(name: str) -> bool:
    """Tell whether an HTTP header of this name carries a credential or a signature."""
    lowered = name.lower().replace("_", "-")
    return lowered not in READABLE_NAMES and (
        lowered.rpartition("-")[2] in SECRET_LAST_WORDS or lowered in ODD_NAMES or lowered.endswith(SECRET_ENDINGS)
    )
