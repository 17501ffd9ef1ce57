"""What the sinks need to store every event exactly once."""

from fanzgpt_workers.stores.migrations.steps import execute_sql_of

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Execute `sql/0003_sinks.sql`."""
    execute_sql_of(__file__)
