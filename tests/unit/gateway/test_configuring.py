import json
import re

import pytest
from tests.unit.gateway.forging import ED_KEY, pem

from fanzgpt_gateway.configuring import Misconfigured, load_settings
from fanzgpt_gateway.kafka_security import KafkaSecurity
from fanzgpt_gateway.settings import Settings
from fanzgpt_workers.settings.kafka_security import KafkaSecuritySettings

ENOUGH = {
    "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
    "DATABASE_URL": "postgresql://fanz:hidden-word@localhost/fanz",
    "FANZ_GPT_API_KEY": "k" * 32,
}
EMBEDDED = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://127.0.0.1/x", "OPENAI_API_KEY": "x"}


def problems(**environ: str) -> str:
    with pytest.raises(Misconfigured) as wrong:
        load_settings({**ENOUGH, **environ})
    return str(wrong.value)


def test_three_variables_are_enough() -> None:
    settings = load_settings({**ENOUGH, "HOME": "/somewhere", "JWT_SECRET": "  "})
    assert (settings.port, settings.wait_seconds, settings.jwt_secret) == (3100, 29, None)


def test_no_secret_is_in_what_settings_show_of_themselves() -> None:
    issuer = {"issuer": "x", "algorithm": "HS256", "key": "hidden-word" * 4}
    settings = load_settings({**ENOUGH, "JWT_SECRET": "hidden-word" * 4, "JWT_ISSUERS": json.dumps([issuer])})
    assert "hidden-word" not in repr(settings)
    assert "k" * 32 not in repr(settings)


def test_everything_that_is_wrong_is_told_at_once_and_no_secret_with_it() -> None:
    told = problems(
        KAFKA_BOOTSTRAP_SERVERS="broker",
        DATABASE_URL="mysql://fanz:hidden-word@localhost/fanz",
        FANZ_GPT_API_KEY="hidden-word",
        JWT_SECRET="hidden-word",
        GATEWAY_API_KEYS="main=hidden-word",
        JWT_ISSUERS='[{"issuer":"x","algorithm":"RS256","key":"hidden-word"}]',
        PORT="99999",
        TRUSTED_PROXIES="10.0.0.0/99",
        GATEWAY_WAIT_SECONDS="soon",
        REDIS_URL="localhost",
    )
    assert told.startswith("10 settings are wrong:")
    assert set(re.findall(r"^  ([A-Z_]+)", told, re.MULTILINE)) == {
        *("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "FANZ_GPT_API_KEY", "JWT_SECRET", "GATEWAY_API_KEYS"),
        *("JWT_ISSUERS", "PORT", "TRUSTED_PROXIES", "GATEWAY_WAIT_SECONDS", "REDIS_URL"),
    }
    assert "hidden-word" not in told


def test_a_gateway_that_nobody_could_call_does_not_start() -> None:
    with pytest.raises(Misconfigured, match="nobody could call"):
        load_settings({**ENOUGH, "FANZ_GPT_API_KEY": ""})


@pytest.mark.parametrize("text", ["{", "7", '[{"issuer":"x"}]', '[{"issuer":"x","algorithm":"none","key":"x"}]'])
def test_issuers_that_are_none_are_told(text: str) -> None:
    assert "JWT_ISSUERS" in problems(JWT_ISSUERS=text)


def test_an_issuer_with_a_public_key_is_read() -> None:
    issuer = {"issuer": "https://id.example", "algorithm": "EdDSA", "key": pem(ED_KEY), "audience": "fanz"}
    (known,) = load_settings({**ENOUGH, "JWT_ISSUERS": json.dumps([issuer])}).jwt_issuers
    assert (known.issuer, known.algorithm, known.audience) == ("https://id.example", "EdDSA", "fanz")


def test_the_embedded_stack_is_used_where_no_server_is_named() -> None:
    key = {"FANZ_GPT_API_KEY": "k" * 32}
    assert load_settings(key, embedded=EMBEDDED).bootstrap_servers == "127.0.0.1:1"
    with pytest.raises(Misconfigured, match="DATABASE_URL is not set"):
        load_settings({**key, "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}, embedded=EMBEDDED)


def test_every_setting_has_a_variable_of_its_own_that_says_what_it_is() -> None:
    variables = [field.alias for field in Settings.model_fields.values()]
    assert len(set(variables)) == len(variables)
    assert all(variable and variable.isupper() for variable in variables)


def test_how_kafka_is_reached_is_told_by_the_variables_of_every_process() -> None:
    login = {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "svc", "KAFKA_SASL_PASSWORD": "hidden-word"}
    settings = load_settings({**ENOUGH, **login, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"})
    assert settings.security().protocol == "SASL_SSL"
    assert {field.alias for field in KafkaSecurity.model_fields.values()} == {
        field.alias for field in KafkaSecuritySettings.model_fields.values()
    }
    told = problems(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SSL_CA_FILE="/nowhere", KAFKA_SASL_USERNAME="svc")
    assert told.startswith("3 settings are wrong")
    assert "no effect" in problems(KAFKA_SASL_PASSWORD="hidden-word")
