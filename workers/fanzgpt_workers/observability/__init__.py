"""What a person sees of a running process: metrics, health and logs."""
