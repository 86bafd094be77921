"""Reports repairs whose outcome was never heard of."""
