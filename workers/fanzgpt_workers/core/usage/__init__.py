"""What usage adds up to: windows by event time, their figures, and what is far from normal. Pure."""
