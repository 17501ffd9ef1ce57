"""Requests and provider calls, with what they cost."""

from fanzgpt_workers.stores.migrations.steps import execute_sql_of

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Execute `sql/0002_ledger.sql`."""
    execute_sql_of(__file__)
