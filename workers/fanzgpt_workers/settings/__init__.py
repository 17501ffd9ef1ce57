"""Everything a process is told: read once, frozen, all wrong values named at once."""

from fanzgpt_workers.settings.batches import BatchSettings
from fanzgpt_workers.settings.budgets import BudgetSettings
from fanzgpt_workers.settings.cache import CacheSettings
from fanzgpt_workers.settings.features import FeatureSettings
from fanzgpt_workers.settings.groups import Settings
from fanzgpt_workers.settings.kafka_security import KafkaSecuritySettings
from fanzgpt_workers.settings.media import MediaSettings
from fanzgpt_workers.settings.problems import Problem, masked, unrecognised, variables
from fanzgpt_workers.settings.process import METRICS_PORTS, MonitorSettings, ProcessName, ProcessSettings
from fanzgpt_workers.settings.providers import OnUnknown, ProviderName, ProviderSettings
from fanzgpt_workers.settings.reading import SINK_NEEDS, WORKER_NEEDS, Need, check_settings, load_settings
from fanzgpt_workers.settings.servers import DatabaseSettings, KafkaSettings, RedisSettings
from fanzgpt_workers.settings.sources import ignored_stack
from fanzgpt_workers.settings.streams import StreamsSettings
from fanzgpt_workers.settings.windows import WindowSettings
from fanzgpt_workers.settings.work import GenerationSettings, SinkSettings

__all__ = [
    "METRICS_PORTS",
    "SINK_NEEDS",
    "WORKER_NEEDS",
    "BatchSettings",
    "BudgetSettings",
    "CacheSettings",
    "DatabaseSettings",
    "FeatureSettings",
    "GenerationSettings",
    "KafkaSecuritySettings",
    "KafkaSettings",
    "MediaSettings",
    "MonitorSettings",
    "Need",
    "OnUnknown",
    "Problem",
    "ProcessName",
    "ProcessSettings",
    "ProviderName",
    "ProviderSettings",
    "RedisSettings",
    "Settings",
    "SinkSettings",
    "StreamsSettings",
    "WindowSettings",
    "check_settings",
    "ignored_stack",
    "load_settings",
    "masked",
    "unrecognised",
    "variables",
]
