"""Encryption and login: what goes together, what is told of the rest, and what a client is given."""

from pathlib import Path

import pytest

from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.settings import load_settings

BROKER = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9093"}
LOGIN = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "svc", "KAFKA_SASL_PASSWORD": "hidden"}


def refusal(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({**BROKER, **environ}, needs={"kafka"})
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_nothing_said_is_plain_text() -> None:
    security = load_settings(BROKER, needs={"kafka"}).kafka_security.security()
    assert security.options() == {"security_protocol": "PLAINTEXT"}


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_login_reaches_the_client_and_no_log(protocol: str) -> None:
    settings = load_settings({**BROKER, **LOGIN, "KAFKA_SECURITY_PROTOCOL": protocol}, needs={"kafka"})
    options = settings.kafka_security.security().options()
    context = options.pop("ssl_context", None)
    assert options == {
        "security_protocol": protocol,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "svc",
        "sasl_plain_password": "hidden",
    }
    assert (context is not None) == (protocol == "SASL_SSL")
    assert context is None or context.check_hostname
    assert "hidden" not in f"{settings!r} {settings.kafka_security.security()!r}"


def test_a_login_that_is_half_given_is_named_as_a_whole() -> None:
    assert refusal({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "svc"}) == [
        "KAFKA_SASL_MECHANISM is not set: is needed for KAFKA_SECURITY_PROTOCOL=SASL_SSL",
        "KAFKA_SASL_PASSWORD is not set: is needed for KAFKA_SECURITY_PROTOCOL=SASL_SSL",
    ]


def test_what_the_protocol_would_leave_unused_is_named_rather_than_dropped() -> None:
    assert refusal({**LOGIN, "KAFKA_SSL_CA_FILE": "/ca.pem"}) == [
        'KAFKA_SASL_MECHANISM="SCRAM-SHA-512": is used by SASL_SSL and SASL_PLAINTEXT; KAFKA_SECURITY_PROTOCOL is PLAINTEXT',
        'KAFKA_SASL_USERNAME="svc": is used by SASL_SSL and SASL_PLAINTEXT; KAFKA_SECURITY_PROTOCOL is PLAINTEXT',
        'KAFKA_SASL_PASSWORD="***": is used by SASL_SSL and SASL_PLAINTEXT; KAFKA_SECURITY_PROTOCOL is PLAINTEXT',
        'KAFKA_SSL_CA_FILE="/ca.pem": is used by SSL and SASL_SSL; KAFKA_SECURITY_PROTOCOL is PLAINTEXT',
    ]


def test_files_that_cannot_be_used_are_named_at_the_start(tmp_path: Path) -> None:
    encrypted = {"KAFKA_SECURITY_PROTOCOL": "SSL"}
    assert refusal({**encrypted, "KAFKA_SSL_CA_FILE": "/nowhere.pem"}) == [
        'KAFKA_SSL_CA_FILE="/nowhere.pem": should be a file of certificates in PEM (No such file or directory)'
    ]
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    [told] = refusal({**encrypted, "KAFKA_SSL_CERT_FILE": str(empty)})
    assert "should be our certificate in PEM, with its key there or in KAFKA_SSL_KEY_FILE" in told
    assert refusal({**encrypted, "KAFKA_SSL_KEY_FILE": str(empty)}) == [
        "KAFKA_SSL_CERT_FILE is not set: is needed for the private key that is given"
    ]


def test_a_word_that_kafka_does_not_know_is_named_with_those_it_does() -> None:
    assert refusal({"KAFKA_SECURITY_PROTOCOL": "TLS"}) == [
        'KAFKA_SECURITY_PROTOCOL="TLS": should be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; default PLAINTEXT'
    ]


def test_the_embedded_broker_is_reached_in_plain_text_whatever_is_said_of_another() -> None:
    embedded = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    told = {**LOGIN, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
    settings = load_settings(told, embedded=embedded, needs={"kafka"})
    assert settings.kafka_security.security().options() == {"security_protocol": "PLAINTEXT"}
