"""What every migration script does: execute the SQL file of its own name."""

from pathlib import Path

from alembic import op


def execute_sql_of(script: str) -> None:
    """Execute `sql/<stem>.sql` for the migration script at path `script`, in the migration's transaction."""
    path = Path(script)
    sql = path.parent.parent / "sql" / f"{path.stem}.sql"
    op.get_bind().exec_driver_sql(sql.read_text(encoding="utf-8"))
