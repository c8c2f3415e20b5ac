"""Names that the API and the page have in common."""

from __future__ import annotations

SIMULATION_HEADER = "x-ecall-sandbox"
SIMULATION_NOTICE = "simulated; not the service, and partly inferred"
OCTET_STREAM = "application/octet-stream"
KEPT_BYTES = 64 * 2**10
"""How many bytes of a body are kept for the page."""
