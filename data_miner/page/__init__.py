"""The monitor's web page: made on the server, without scripts; all may read, changes need a token."""
