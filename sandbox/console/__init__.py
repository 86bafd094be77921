"""The page on localhost: what fires and where it went, who is on call, incidents, repairs, routes and messages."""
