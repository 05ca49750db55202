"""The hub's HTTP API, FastAPI: thin routes over `noc.hub`. `app.create_app` puts them together."""
