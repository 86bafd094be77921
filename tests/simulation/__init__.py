"""A seeded simulation of incidents: the deployed code runs in it, with faults, and its invariants are checked."""
