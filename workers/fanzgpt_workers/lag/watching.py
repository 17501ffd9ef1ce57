"""Lag over time: what one report cannot tell, whether anything moves."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fanzgpt_schemas.topics import TopicRegistry
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.lag.accounts import Accounts
from fanzgpt_workers.lag.causes import Causes
from fanzgpt_workers.lag.expected import expected_groups
from fanzgpt_workers.lag.groups import open_groups
from fanzgpt_workers.lag.oldest import open_log
from fanzgpt_workers.lag.reading import LagReader
from fanzgpt_workers.lag.standing import LagReport, Standing, Status, Thresholds, judge
from fanzgpt_workers.limits.redis_minute import open_redis
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.settings import Settings
from fanzgpt_workers.stores.database import open_database


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A standing and what to think of it."""

    standing: Standing
    status: Status


class LagHistory:
    """The last standings of each group and partition, for judging the newest; bounded."""

    def __init__(self, thresholds: Thresholds, *, reports: int = 60) -> None:
        """Look back so many reports."""
        self._thresholds = thresholds
        self._reports = reports
        self._windows: dict[tuple[str, Partition], deque[Standing]] = {}

    def add(self, report: LagReport) -> Sequence[Judged]:
        """The report's standings, each judged in the light of its earlier ones."""
        return [Judged(standing=standing, status=self._judge(standing)) for standing in report.standings]

    def _judge(self, standing: Standing) -> Status:
        key = (standing.group, standing.partition)
        window = self._windows.setdefault(key, deque(maxlen=self._reports))
        window.append(standing)
        return judge(window, self._thresholds)


@asynccontextmanager
async def open_lag_reader(
    settings: Settings, registry: TopicRegistry, *, clock: Clock, with_accounts: bool = True, with_causes: bool = True
) -> AsyncIterator[LagReader]:
    """A reader on the servers of the settings.

    Without accounts where there is no DATABASE_URL or none are wanted, and so without causes and REDIS_URL.
    """
    async with AsyncExitStack() as stack:
        servers, security = settings.kafka.bootstrap_servers, settings.kafka_security.security()
        groups = await stack.enter_async_context(open_groups(servers, security=security))
        log = await stack.enter_async_context(open_log(servers, security=security))
        accounts = causes = None
        if with_causes and settings.redis.url is not None:
            redis = open_redis(settings.redis.url.get_secret_value())
            stack.push_async_callback(redis.aclose)
            causes = Causes(redis, group=settings.kafka.group("generation"), clock=clock)
        if with_accounts and (url := settings.database.url.get_secret_value()):
            database = await stack.enter_async_context(await open_database(url, size=2, application="fanzgpt-lag"))
            accounts = Accounts(database)
        yield LagReader(
            groups=groups,
            log=log,
            accounts=accounts,
            expected=expected_groups(settings.kafka, registry),
            clock=clock,
            causes=causes,
        )
