"""Usage streams: windows of usage, kept in a Faust table, told as facts."""
