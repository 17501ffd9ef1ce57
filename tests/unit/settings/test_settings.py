"""Settings: read once, everything wrong named at once, no secret shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.settings import Settings, check_settings, load_settings, unrecognised, variables

SERVERS = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "DATABASE_URL": "postgresql://fanz:pw-of-db@db:5432/fanz"}
WORKING = {**SERVERS, "OPENAI_API_KEY": "sk-of-openai"}
EMBEDDED = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1001",
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:1002/fanz",
    "REDIS_URL": "redis://127.0.0.1:1003/0",
    "OPENAI_BASE_URL": "http://127.0.0.1:1004/v1",
    "OPENAI_MODEL": "smollm2",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:1004",
    "ANTHROPIC_MODEL": "smollm2",
    "UNKNOWN_USERS": "create",
    "FEATURE_CONTENT_GENERATION": "true",
}


def refusal(environ: dict[str, str], embedded: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ, embedded=embedded)
    return str(caught.value)


def test_the_contracts_defaults_hold() -> None:
    settings = load_settings(WORKING)
    assert settings.providers.default_provider == "openai"
    assert settings.providers.max_tokens == 4000
    assert settings.providers.temperature == 0.7
    assert (settings.providers.requests_per_minute, settings.providers.tokens_per_minute) == (50, 50_000)
    assert settings.database.pool_size == 10
    assert settings.generation.max_in_flight == 512
    assert settings.sinks.unknown_users == "dead-letter"
    assert settings.features.switched_on == frozenset()


def test_every_wrong_setting_is_named_at_once_with_what_would_be_right() -> None:
    told = refusal(
        {
            "DATABASE_URL": "mysql://fanz:hidden@db/fanz",
            "OPENAI_API_KEY": "sk-hidden",
            "GENERATION_MAX_IN_FLIGHT": "many",
            "AI_TEMPERATURE": "9",
            "UNKNOWN_USERS": "ignore",
            "METRICS_PORT": "70000",
        }
    )
    assert told.splitlines() == [
        "6 settings are wrong:",
        '  AI_TEMPERATURE="9": should be at least 0 and at most 2; default 0.7',
        '  GENERATION_MAX_IN_FLIGHT="many": should be a whole number at least 1 and at most 20000; default 512',
        '  UNKNOWN_USERS="ignore": should be dead-letter or create; default dead-letter',
        '  METRICS_PORT="70000": should be at least 0 and at most 65535',
        '  DATABASE_URL="mysql://fanz:***@db/fanz": should look like postgresql://user:password@host:5432/database',
        "  KAFKA_BOOTSTRAP_SERVERS is not set: start the embedded servers with `fanzgpt stack up`, or set KAFKA_BOOTSTRAP_SERVERS",
    ]


@pytest.mark.parametrize(("provider", "variable"), [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")])
def test_a_missing_key_names_the_variable_of_the_chosen_provider(provider: str, variable: str) -> None:
    assert f"{variable} is not set: the provider {provider} needs its key" in refusal(
        {**SERVERS, "AI_DEFAULT_PROVIDER": provider}
    )


def test_an_endpoint_of_ones_own_needs_no_key() -> None:
    settings = load_settings({**SERVERS, "OPENAI_BASE_URL": "http://localhost:8080/v1"})
    assert settings.providers.reachable == {"openai": settings.providers.openai_model}


@pytest.mark.parametrize("value", ["TRUE", "1", "yes", "on", "True", "truE", "false", "ture"])
def test_a_switch_is_on_for_true_alone(value: str) -> None:
    assert not load_settings({**WORKING, "FEATURE_CHAT_ASSISTANCE": value}).features.chat_assistance
    assert load_settings({**WORKING, "FEATURE_CHAT_ASSISTANCE": "true"}).features.switched_on == {
        "FEATURE_CHAT_ASSISTANCE"
    }


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({**WORKING, "DB_POOL_SIZE": "", "REDIS_URL": " "}).database.pool_size == 10


def test_blocked_terms_are_separated_by_commas() -> None:
    assert load_settings({**WORKING, "BLOCKED_TERMS": " one, two words ,,"}).features.blocked_terms == (
        "one",
        "two words",
    )


def test_the_embedded_stack_serves_whoever_names_no_server() -> None:
    settings = load_settings({}, embedded=EMBEDDED)
    assert settings.kafka.bootstrap_servers == "127.0.0.1:1001"
    assert settings.sinks.unknown_users == "create"
    assert settings.features.content_generation
    assert load_settings({"UNKNOWN_USERS": "dead-letter"}, embedded=EMBEDDED).sinks.unknown_users == "dead-letter"


def test_servers_are_never_mixed_from_two_sources() -> None:
    told = refusal({"DATABASE_URL": SERVERS["DATABASE_URL"]}, EMBEDDED)
    assert "KAFKA_BOOTSTRAP_SERVERS is not set: set it too, or unset DATABASE_URL" in told


def test_a_key_is_never_sent_to_the_embedded_model() -> None:
    providers = load_settings({"OPENAI_API_KEY": "sk-real"}, embedded=EMBEDDED).providers
    assert providers.openai_base_url is None
    assert providers.openai_model == "gpt-4o-mini"
    assert providers.anthropic_base_url == EMBEDDED["ANTHROPIC_BASE_URL"]


def test_the_only_real_key_chooses_the_provider_on_the_embedded_stack() -> None:
    assert load_settings({"ANTHROPIC_API_KEY": "sk-real"}, embedded=EMBEDDED).providers.default_provider == "anthropic"
    chosen = {"ANTHROPIC_API_KEY": "sk-real", "AI_DEFAULT_PROVIDER": "openai"}
    assert load_settings(chosen, embedded=EMBEDDED).providers.default_provider == "openai"


def test_a_real_model_is_not_held_to_what_the_embedded_one_can_do() -> None:
    embedded = {**EMBEDDED, "AI_MAX_TOKENS": "512"}
    assert load_settings({}, embedded=embedded).providers.max_tokens == 512
    assert load_settings({"OPENAI_API_KEY": "sk-real"}, embedded=embedded).providers.max_tokens == 4000
    chosen = {"OPENAI_API_KEY": "sk-real", "AI_MAX_TOKENS": "900"}
    assert load_settings(chosen, embedded=embedded).providers.max_tokens == 900


def test_what_is_not_needed_may_be_missing() -> None:
    assert load_settings({}, needs=()).database.url.get_secret_value() == ""
    assert load_settings({"KAFKA_BOOTSTRAP_SERVERS": "a:1"}, needs={"kafka"}).kafka.bootstrap_servers == "a:1"


def test_no_secret_shows_when_settings_are_printed() -> None:
    shown = repr(load_settings(WORKING))
    assert "sk-of-openai" not in shown
    assert "pw-of-db" not in shown


def test_a_misspelt_variable_is_recognised() -> None:
    assert unrecognised(["PATH", "GENERATION_MAX_INFLIGHT", "AI_MAX_TOKENS"]) == (
        ("GENERATION_MAX_INFLIGHT", "GENERATION_MAX_IN_FLIGHT"),
    )


def test_every_setting_says_what_it_is_and_why_its_default() -> None:
    for variable, (group, name, field) in variables().items():
        assert len(field.description or "") > 20, variable
        assert variable == variable.upper()
        assert getattr(group(), name) == field.default


@given(
    st.dictionaries(
        st.sampled_from(sorted(variables())),
        st.one_of(st.text(max_size=30), st.integers().map(str), st.floats().map(str)),
    )
)
def test_whatever_the_variables_hold_the_answer_is_settings_or_problems(environ: dict[str, str]) -> None:
    settings, problems = check_settings({**WORKING, **environ})
    assert (settings is None) == bool(problems)
    assert settings is None or isinstance(settings, Settings)


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=30))
def test_no_problem_shows_a_secret(secret: str) -> None:
    secret = f"s3cret{secret}"
    _, problems = check_settings(
        {
            "DATABASE_URL": f"mysql://fanz:{secret}@db/fanz",
            "REDIS_URL": f"http://:{secret}@cache",
            "OPENAI_BASE_URL": f"ftp://fanz:{secret}@models/v1",
        }
    )
    assert len(problems) == 4
    assert secret not in "".join(map(str, problems))
