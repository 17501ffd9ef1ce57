"""The embedded servers for a laptop, the tests and the demo; and a provider emulator with its own bill."""
