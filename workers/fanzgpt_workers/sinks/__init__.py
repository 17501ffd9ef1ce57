"""From events to rows: exactly once in PostgreSQL, whatever is delivered twice."""
