"""Where things are kept: the PostgreSQL ledger and sinks, each beside its in-memory twin of the same semantics."""
