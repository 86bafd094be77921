"""Checks of teams, rotations and escalations."""
