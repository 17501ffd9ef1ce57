"""What became of dead letters."""

from fanzgpt_workers.stores.migrations.steps import execute_sql_of

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Execute `sql/0004_dead_letters.sql`."""
    execute_sql_of(__file__)
