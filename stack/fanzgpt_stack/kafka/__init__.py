"""Apache Kafka in KRaft mode, from its published Java artifacts."""
