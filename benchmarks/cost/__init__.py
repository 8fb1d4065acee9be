"""What does monitoring cost per task, and is anything lost? Side by side, in one run: `make bench`."""
