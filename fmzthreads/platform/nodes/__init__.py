"""Where robots run: this machine, containers through Docker's API, workers of a Dask cluster."""
