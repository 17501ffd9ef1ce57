"""The database schema, one plain SQL file a step; `fanzgpt_workers.stores.migrate` applies them."""
