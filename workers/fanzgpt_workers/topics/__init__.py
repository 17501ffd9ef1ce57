"""The topics as they should be, as they are, and the way from one to the other."""
