"""The Pulumi providers: how they are installed, and the embedded ones, which are one core with a table each."""
