"""Who is calling: services by key, people by token."""
