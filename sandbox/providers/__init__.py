"""The embedded Pulumi providers: one machine for check, diff, create, read, update and delete, and a table of resource types each."""
