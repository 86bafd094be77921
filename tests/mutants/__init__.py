"""Mutation testing of rules, routes, inhibitions and the generator of objectives. `make mutants` runs it."""
