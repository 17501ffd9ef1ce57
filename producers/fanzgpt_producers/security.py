"""How to prove to a broker who we are, and how it proves itself to us."""

import ssl
from dataclasses import dataclass
from typing import Any, Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Encryption with `tls`, a login with `mechanism`, `username` and `password`; either or both.

    The password is left out of the representation, so that no log shows it.
    """

    tls: ssl.SSLContext | None = None
    mechanism: Mechanism | None = None
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Security(tls={self.tls is not None}, mechanism={self.mechanism}, username={self.username!r})"

    @property
    def protocol(self) -> Protocol:
        """As Kafka names it."""
        if self.mechanism:
            return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
        return "SSL" if self.tls else "PLAINTEXT"

    @property
    def doubt(self) -> str:
        """What to ask oneself when no broker lets us in; a refused login looks like a broker that is not there."""
        if self.protocol == "PLAINTEXT":
            return "is it running there?"
        login = f" and the login of {self.username!r}" if self.mechanism else ""
        return f"is it running there, and does it take {self.protocol}{login}?"

    def options(self) -> dict[str, Any]:
        """The same as the Kafka client spells it."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.tls:
            options["ssl_context"] = self.tls
        if self.mechanism:
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options


def tls_context(
    *,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    key_password: str | None = None,
) -> ssl.SSLContext:
    """For `Security.tls`: the broker's certificate is checked, its host name included.

    Args:
        ca_file: whom to trust, in PEM; None: those whom the machine trusts.
        cert_file: our own certificate, in PEM, for a broker that asks for one.
        key_file: its private key, in PEM; None where the certificate's file holds it.
        key_password: opens the key, where it is locked.

    Raises:
        OSError: a file cannot be read, or (ssl.SSLError) does not hold what it should.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if cert_file is not None:
        # Without a password the library would ask for one on the terminal.
        context.load_cert_chain(cert_file, key_file, password=key_password or "")
    return context
