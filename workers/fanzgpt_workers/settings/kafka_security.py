"""How Kafka is reached: encrypted or not, with a login or without; the same for every client of a process."""

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field, SecretStr

from fanzgpt_producers.security import Security, tls_context
from fanzgpt_workers.settings.group import Group

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
_TLS_FILES: Final = {
    "KAFKA_SSL_CA_FILE": "ca_file",
    "KAFKA_SSL_CERT_FILE": "cert_file",
    "KAFKA_SSL_KEY_FILE": "key_file",
    "KAFKA_SSL_KEY_PASSWORD": "key_password",
}
_LOGIN: Final = {
    "KAFKA_SASL_MECHANISM": "mechanism",
    "KAFKA_SASL_USERNAME": "username",
    "KAFKA_SASL_PASSWORD": "password",
}


class KafkaSecuritySettings(Group):
    """Encryption and login, by the names that Kafka's own clients use."""

    protocol: Protocol = Field(
        "PLAINTEXT",
        alias="KAFKA_SECURITY_PROTOCOL",
        description="`SSL` encrypts, `SASL_PLAINTEXT` logs in, `SASL_SSL` does both. As the broker's listener has it.",
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, alias="KAFKA_SASL_MECHANISM", description="How the password is proved. Needed for the SASL protocols."
    )
    username: str | None = Field(
        None, alias="KAFKA_SASL_USERNAME", description="Whom to log in as. Needed for the SASL protocols."
    )
    password: SecretStr | None = Field(
        None, alias="KAFKA_SASL_PASSWORD", description="The password. Needed for the SASL protocols."
    )
    ca_file: str | None = Field(
        None,
        alias="KAFKA_SSL_CA_FILE",
        description="Whose signature on the broker's certificate counts, in PEM. Unset: whom the machine trusts.",
    )
    cert_file: str | None = Field(
        None,
        alias="KAFKA_SSL_CERT_FILE",
        description="Our own certificate in PEM, for brokers that ask for one.",
    )
    key_file: str | None = Field(
        None,
        alias="KAFKA_SSL_KEY_FILE",
        description="Its private key in PEM; unset where the certificate's file has it.",
    )
    key_password: SecretStr | None = Field(
        None, alias="KAFKA_SSL_KEY_PASSWORD", description="What opens the private key, where it is locked."
    )

    def security(self) -> Security:
        """For every client; reads the files anew, so that a renewed certificate counts from the next connection on.

        Raises:
            OSError: a file is gone or no longer holds what it did at the start.
        """
        tls = None
        if self.protocol.endswith("SSL"):
            tls = tls_context(
                ca_file=self.ca_file,
                cert_file=self.cert_file,
                key_file=self.key_file,
                key_password=None if self.key_password is None else self.key_password.get_secret_value(),
            )
        if not self.protocol.startswith("SASL"):
            return Security(tls=tls)
        return Security(
            tls=tls,
            mechanism=self.mechanism,
            username=self.username,
            password=None if self.password is None else self.password.get_secret_value(),
        )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Variables that do not go together, each with what would be right."""
        logs_in, encrypts = self.protocol.startswith("SASL"), self.protocol.endswith("SSL")
        for variable, name in _LOGIN.items():
            given = getattr(self, name) is not None
            if logs_in and not given:
                yield variable, f"is needed for KAFKA_SECURITY_PROTOCOL={self.protocol}"
            if given and not logs_in:
                yield variable, f"is used by SASL_SSL and SASL_PLAINTEXT; KAFKA_SECURITY_PROTOCOL is {self.protocol}"
        for variable, name in _TLS_FILES.items():
            if getattr(self, name) is not None and not encrypts:
                yield variable, f"is used by SSL and SASL_SSL; KAFKA_SECURITY_PROTOCOL is {self.protocol}"
        if encrypts and self.cert_file is None and (self.key_file or self.key_password):
            yield "KAFKA_SSL_CERT_FILE", "is needed for the private key that is given"
        elif encrypts:
            yield from self._unreadable()

    def _unreadable(self) -> Iterator[tuple[str, str]]:
        try:
            tls_context(ca_file=self.ca_file)
        except OSError as error:
            yield "KAFKA_SSL_CA_FILE", f"should be a file of certificates in PEM ({error.strerror or error})"
            return
        try:
            self.security()
        except OSError as error:
            right = "should be our certificate in PEM, with its key there or in KAFKA_SSL_KEY_FILE"
            yield "KAFKA_SSL_CERT_FILE", f"{right} ({error.strerror or error})"
