"""Measurements on real processes and real servers; each module is one command: `python -m benchmarks.NAME`."""
