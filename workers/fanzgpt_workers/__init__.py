"""The running system: generation workers, sinks, the monitor and the `fanzgpt` command."""
