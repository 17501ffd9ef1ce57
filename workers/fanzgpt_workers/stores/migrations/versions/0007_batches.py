"""Requests that wait for the providers' batches, and the batches made of them."""

from fanzgpt_workers.stores.migrations.steps import execute_sql_of

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Execute `sql/0007_batches.sql`."""
    execute_sql_of(__file__)
