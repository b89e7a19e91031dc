"""The whole pipeline on one machine, with a Postgres of its own and no cluster."""
