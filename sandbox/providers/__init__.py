"""The embedded Pulumi providers: one machine, and a table of resource types for each provider."""
