"""The web page's own role in the database: it reads, and makes dead letters ready again."""

from __future__ import annotations

from psycopg import sql

from data_miner.db.connect import Connection
from data_miner.page.names import ROLE

#: a page has few, and two pages run while one replaces the other
_CONNECTIONS = 20


def make_page_role(connection: Connection, password: str) -> None:
    """Make the role, or give it this password and what it needs of the present schema.

    Args:
        connection: of a user who may make roles.
        password: reaches the server hashed, so that no log of statements has it.
    """
    role, connections = sql.Identifier(ROLE), sql.Literal(_CONNECTIONS)
    hashed = connection.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256")
    with connection.transaction():
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}").format(
                role, connections, sql.Literal(hashed.decode())
            )
        )
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role))
        # Again, since a database that was restored has lost it.
        connection.execute("REVOKE EXECUTE ON FUNCTION retry FROM PUBLIC")
        connection.execute(sql.SQL("GRANT EXECUTE ON FUNCTION retry TO {}").format(role))
