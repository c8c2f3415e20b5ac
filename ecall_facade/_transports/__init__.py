"""How requests travel: HTTP clients, connection pools, certificates and proxies."""
