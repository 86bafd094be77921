"""Exporters' metrics of the cluster, the services and the database, and the faults that can be switched on."""
