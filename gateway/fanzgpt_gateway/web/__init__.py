"""HTTP: what a call passes on its way in, and what it finds there."""
