"""How the gateway speaks to others."""
