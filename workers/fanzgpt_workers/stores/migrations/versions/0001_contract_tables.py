"""The tables and columns that other services know."""

from fanzgpt_workers.stores.migrations.steps import execute_sql_of

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Execute `sql/0001_contract_tables.sql`."""
    execute_sql_of(__file__)
