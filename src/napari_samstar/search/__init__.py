"""Multi-objective search that knows neither SAM nor rewards: genes in, rewards out."""
