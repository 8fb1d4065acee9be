"""Over TLS, as in production: a real handshake, a certificate that is checked, one connection for many envelopes."""

import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.delivery.conftest import Start, envelope


class _Sentry(BaseHTTPRequestHandler):
    """Answer 200, and remember who asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    senders: list[int] = []  # noqa: RUF012  # what the tests look at

    def do_POST(self) -> None:  # http.server's naming
        """Take an envelope."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.senders.append(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a Sentry under test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "sentry.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def dsn(certificate: Path) -> Iterator[str]:
    """Serve over TLS on a free port."""
    _Sentry.senders.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sentry)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # The handshake belongs to the connection's own thread, or one refused client would end the server's.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused certificate is no news here
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"https://key@127.0.0.1:{server.server_port}/1"
    server.shutdown()
    server.server_close()


def test_envelopes_share_connections_over_tls(dsn: str, certificate: Path, start: Start) -> None:
    """A handshake costs a millisecond of CPU: session tickets and records of TLS's own do not end a connection."""
    transport = start(dsn=dsn, ca_certs=str(certificate))
    for number in range(30):
        transport.capture_envelope(envelope("event", number))
    transport.flush(10)
    transport.capture_envelope(envelope("event", 30))
    transport.flush(10)
    assert len(_Sentry.senders) == 31
    assert len(set(_Sentry.senders)) <= 16
    assert transport.spool is not None
    assert list(transport.spool.root.rglob("*.envelope")) == []
    transport.kill()


def test_a_certificate_that_nobody_vouches_for_is_refused(dsn: str, start: Start) -> None:
    """Errors stay on disk rather than go to a stranger."""
    transport = start(dsn=dsn)
    transport.capture_envelope(envelope("event", 1))
    transport.flush(5)
    assert _Sentry.senders == []
    assert transport.spool is not None
    assert len(list(transport.spool.root.rglob("*.event.*.envelope"))) == 1
