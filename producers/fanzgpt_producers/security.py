"""How to prove to a broker who we are, and how it proves itself to us."""

from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Encryption with `tls`, a login with `mechanism`, `username` and `password`; either or both.

    The password is left out of the representation, so that no log shows it.
    """

    tls: SSLContext | None = None
    mechanism: Mechanism | None = None
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Security(tls={self.tls is not None}, mechanism={self.mechanism}, username={self.username!r})"

    def options(self) -> dict[str, Any]:
        """The same as the Kafka client spells it."""
        options: dict[str, Any] = {
            "security_protocol": ("SASL_" if self.mechanism else "") + ("SSL" if self.tls else "PLAINTEXT")
        }
        if self.tls:
            options["ssl_context"] = self.tls
        if self.mechanism:
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options
