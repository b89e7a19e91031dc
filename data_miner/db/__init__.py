"""Everything that touches Postgres: connections, named queries, migrations, results and counts."""
