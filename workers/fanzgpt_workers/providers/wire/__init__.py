"""The lean adapters: the same calls as the SDKs make, over one aiohttp session, without importing an SDK."""
