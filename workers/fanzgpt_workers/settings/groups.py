"""Every setting of the running system, grouped by concern: its variable, its unit, and why its default is what it is.

A field's alias is its environment variable. Groups are frozen; secrets never show in a repr.
"""

from fanzgpt_workers.settings.batches import BatchSettings
from fanzgpt_workers.settings.budgets import BudgetSettings
from fanzgpt_workers.settings.cache import CacheSettings
from fanzgpt_workers.settings.features import FeatureSettings
from fanzgpt_workers.settings.group import Group
from fanzgpt_workers.settings.kafka_security import KafkaSecuritySettings
from fanzgpt_workers.settings.media import MediaSettings
from fanzgpt_workers.settings.process import MonitorSettings, ProcessSettings
from fanzgpt_workers.settings.providers import ProviderSettings
from fanzgpt_workers.settings.servers import DatabaseSettings, KafkaSettings, RedisSettings
from fanzgpt_workers.settings.streams import StreamsSettings
from fanzgpt_workers.settings.windows import WindowSettings
from fanzgpt_workers.settings.work import GenerationSettings, SinkSettings


class Settings(Group):
    """Everything a process is told, read once."""

    kafka: KafkaSettings = KafkaSettings()
    kafka_security: KafkaSecuritySettings = KafkaSecuritySettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    providers: ProviderSettings = ProviderSettings()
    media: MediaSettings = MediaSettings()
    generation: GenerationSettings = GenerationSettings()
    cache: CacheSettings = CacheSettings()
    budgets: BudgetSettings = BudgetSettings()
    batches: BatchSettings = BatchSettings()
    sinks: SinkSettings = SinkSettings()
    features: FeatureSettings = FeatureSettings()
    windows: WindowSettings = WindowSettings()
    streams: StreamsSettings = StreamsSettings()
    process: ProcessSettings = ProcessSettings()
    monitor: MonitorSettings = MonitorSettings()
