"""What answers saved and budgets hold, and everything that a price depends on."""

from fanzgpt_workers.stores.migrations.steps import execute_sql_of

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Execute `sql/0006_money.sql`."""
    execute_sql_of(__file__)
