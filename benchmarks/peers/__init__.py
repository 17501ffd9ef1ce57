"""Other ways to do a quarter of the job (fetch, call, publish, commit), in environments of their own, side by side."""
