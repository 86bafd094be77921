"""ComponentResources: each turns one part of the platform into resources, and holds no policy of its own."""
