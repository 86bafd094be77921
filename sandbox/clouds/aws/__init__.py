"""AWS, as moto plays it, and a front for what moto does not: commands that run, and access to the cluster."""
