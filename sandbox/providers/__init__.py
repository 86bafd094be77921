"""The embedded Pulumi providers: one core, and a table of resource types for each provider."""
