"""The queue: one Postgres table with leases."""
