"""tui is the terminal interface: a client of noc.client, nothing more."""
