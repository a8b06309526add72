"""04: latency, memory and energy, and why a variant is, or is not, faster."""
