"""Finding what belongs to one request: in the ledger, on the topics, in the sinks' tables."""
