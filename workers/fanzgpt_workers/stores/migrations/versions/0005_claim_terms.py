"""Since when an owner holds the partition of what it claims."""

from fanzgpt_workers.stores.migrations.steps import execute_sql_of

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Execute `sql/0005_claim_terms.sql`."""
    execute_sql_of(__file__)
