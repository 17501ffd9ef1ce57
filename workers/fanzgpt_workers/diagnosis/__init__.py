"""What is wrong with an installation, found from outside, each thing with its mending."""
