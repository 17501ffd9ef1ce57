"""The consumer loop around the pure core: fetch, queue, run, release, commit, drain."""
