"""How far behind the consumers are: read from the brokers and the database, whether anybody consumes or not."""
