"""The command ``data-miner``. Data goes to stdout, errors to stderr; exit code 2 is a bad config."""

from data_miner.cli.main import app

__all__ = ["app"]
