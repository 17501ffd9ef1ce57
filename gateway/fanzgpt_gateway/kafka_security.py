"""How Kafka is reached: encrypted or not, with a login or without; by the variables that every process knows."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from fanzgpt_producers.security import Mechanism, Protocol, Security, tls_context


class KafkaSecurity(BaseModel):
    """Encryption and login, by the names that Kafka's own clients use."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    security_protocol: Protocol = Field(
        "PLAINTEXT",
        alias="KAFKA_SECURITY_PROTOCOL",
        description="`SSL` encrypts, `SASL_PLAINTEXT` logs in, `SASL_SSL` does both. As the broker's listener has it.",
    )
    sasl_mechanism: Mechanism | None = Field(
        None, alias="KAFKA_SASL_MECHANISM", description="How the password is proved. Needed for the SASL protocols."
    )
    sasl_username: str | None = Field(None, alias="KAFKA_SASL_USERNAME", description="Whom to log in as.")
    sasl_password: SecretStr | None = Field(None, alias="KAFKA_SASL_PASSWORD", description="The password.")
    ssl_ca_file: str | None = Field(
        None,
        alias="KAFKA_SSL_CA_FILE",
        description="Whose signature on the broker's certificate counts, in PEM. Unset: whom the machine trusts.",
    )
    ssl_cert_file: str | None = Field(
        None, alias="KAFKA_SSL_CERT_FILE", description="Our own certificate in PEM, for brokers that ask for one."
    )
    ssl_key_file: str | None = Field(
        None,
        alias="KAFKA_SSL_KEY_FILE",
        description="Its private key in PEM; unset where the certificate's file has it.",
    )
    ssl_key_password: SecretStr | None = Field(
        None, alias="KAFKA_SSL_KEY_PASSWORD", description="What opens the private key, where it is locked."
    )

    def security(self) -> Security:
        """For every client of the process; raises OSError where a file cannot be read."""
        tls = None
        if self.security_protocol.endswith("SSL"):
            tls = tls_context(
                ca_file=self.ssl_ca_file,
                cert_file=self.ssl_cert_file,
                key_file=self.ssl_key_file,
                key_password=_shown(self.ssl_key_password),
            )
        if not self.security_protocol.startswith("SASL"):
            return Security(tls=tls)
        return Security(
            tls=tls,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password=_shown(self.sasl_password),
        )

    def contradictions(self) -> Iterator[str]:
        """Variables that are missing or in vain, and files that cannot be used, each in a line."""
        logs_in, encrypts = self.security_protocol.startswith("SASL"), self.security_protocol.endswith("SSL")
        for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
            given = getattr(self, name) is not None
            if given != logs_in:
                word = "is needed for" if logs_in else "has no effect with"
                yield f"KAFKA_{name.upper()}: {word} KAFKA_SECURITY_PROTOCOL={self.security_protocol}"
        for name in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file", "ssl_key_password"):
            if getattr(self, name) is not None and not encrypts:
                yield f"KAFKA_{name.upper()}: has no effect with KAFKA_SECURITY_PROTOCOL={self.security_protocol}"
        if encrypts:
            try:
                self.security()
            except OSError as error:
                yield f"KAFKA_SSL_CA_FILE, KAFKA_SSL_CERT_FILE or KAFKA_SSL_KEY_FILE cannot be used: {error}"


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
