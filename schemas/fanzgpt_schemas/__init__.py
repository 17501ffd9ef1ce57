"""The contract: what travels between the services, as types, and how it is written and read."""
