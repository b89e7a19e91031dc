"""How errors end the command: in words, never with a traceback."""

from __future__ import annotations

import sys
from typing import Any

import psycopg
import typer
from typer.core import TyperGroup

from data_miner.db.connect import first_line
from data_miner.errors import ConfigError, MinerError

FAILED, BAD_CONFIG, DEAD_LETTERS, INTERRUPTED = 1, 2, 3, 130

#: the end of the help
CODES = (
    f"Exit codes: 0 done; {FAILED} failed, or there is something to mend or a difference; "
    f"{BAD_CONFIG} the command line or a configuration is wrong; {DEAD_LETTERS} a run ended, but some items "
    f"failed for good; {INTERRUPTED} interrupted."
)


class MinerGroup(TyperGroup):
    """A group of commands whose errors are messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise _exit(str(error), BAD_CONFIG) from error
        except MinerError as error:
            raise _exit(str(error), FAILED) from error
        except psycopg.Error as error:
            raise _exit(f"database: {first_line(error)}", FAILED) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            sys.stderr.close()  # or the interpreter complains about the pipe once more
            raise typer.Exit(FAILED) from error
        except OSError as error:  # such as a file that this user may not write
            where = f"{error.filename}: " if error.filename else ""
            raise _exit(f"{where}{error.strerror or error}", FAILED) from error


def _exit(text: str, code: int) -> typer.Exit:
    for line in text.splitlines():
        typer.echo(f"error: {line}", err=True)
    return typer.Exit(code)
