"""Speed side by side: the same work by this package, by others, by hand, and what the
machine allows. `make bench` runs all of it; `run.py` is the command."""
