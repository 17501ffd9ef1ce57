"""The command line's groups, one module each, imported only when its command is called."""
