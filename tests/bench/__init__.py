"""Measures what the program promises: `python -m tests.bench [PART OF A NAME]`; `make bench` runs it."""
