"""The way out: publishing that waits out the broker's absence, and dead letters."""
