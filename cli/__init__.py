"""The command `orion`."""
