"""One thin script a step; alembic finds them here."""
