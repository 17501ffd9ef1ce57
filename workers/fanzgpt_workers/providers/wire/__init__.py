"""The lean adapters: the same calls as the SDKs make, over connections of our own, without importing an SDK."""
