"""Code that every function of this platform uses, and the names that functions and program share."""
