"""noc is the operations centre: hub, API, client, command line, reports."""
