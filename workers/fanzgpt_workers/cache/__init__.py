"""Answers that are paid for once: kept in Redis for a while, and shared by everybody who asks the same at once."""
