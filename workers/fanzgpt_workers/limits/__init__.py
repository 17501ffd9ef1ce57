"""A provider's limits, kept by all workers together: what would be one call too many waits where it is."""
