"""What the page and whoever deploys it have to call alike."""

#: who knows this may change something; without it the page can only be read
TOKEN = "DATA_MINER_PAGE_TOKEN"  # noqa: S105 - the name of a variable
#: the page's own role in the database
ROLE = "data_miner_page"
#: with this the monitor makes the role
ROLE_PASSWORD = "DATA_MINER_PAGE_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable
