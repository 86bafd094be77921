"""Pinned build recipes of the external binaries, and the program that builds them into a cache."""
