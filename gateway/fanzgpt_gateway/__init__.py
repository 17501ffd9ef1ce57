"""The HTTP front door: REST in, request events out, and the answer back to whoever waits for it."""
