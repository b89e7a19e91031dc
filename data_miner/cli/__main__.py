"""``python -m data_miner.cli``: the same as ``data-miner``."""

from data_miner.cli.main import app

app(prog_name="data-miner")
