"""How requests travel: pools of lanes, over httpx's own transports or over faster ones."""
