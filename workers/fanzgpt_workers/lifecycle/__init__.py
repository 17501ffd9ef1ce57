"""The life of a request: claim, attempt, call, save, publish; each step durable before the next begins."""
