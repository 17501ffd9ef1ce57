"""Everything a process is told: read once, frozen, all wrong values named at once."""

from fanzgpt_workers.settings.groups import (
    METRICS_PORTS,
    DatabaseSettings,
    FeatureSettings,
    GenerationSettings,
    KafkaSettings,
    ProcessName,
    ProcessSettings,
    ProviderName,
    ProviderSettings,
    RedisSettings,
    Settings,
    SinkSettings,
)
from fanzgpt_workers.settings.problems import Problem, masked, unrecognised, variables
from fanzgpt_workers.settings.reading import SINK_NEEDS, WORKER_NEEDS, Need, check_settings, load_settings
from fanzgpt_workers.settings.sources import ignored_stack

__all__ = [
    "METRICS_PORTS",
    "SINK_NEEDS",
    "WORKER_NEEDS",
    "DatabaseSettings",
    "FeatureSettings",
    "GenerationSettings",
    "KafkaSettings",
    "Need",
    "Problem",
    "ProcessName",
    "ProcessSettings",
    "ProviderName",
    "ProviderSettings",
    "RedisSettings",
    "Settings",
    "SinkSettings",
    "check_settings",
    "ignored_stack",
    "load_settings",
    "masked",
    "unrecognised",
    "variables",
]
