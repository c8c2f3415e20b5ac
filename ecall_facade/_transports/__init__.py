"""HTTP clients, connection pools, certificates and proxies."""
