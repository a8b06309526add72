"""Measuring variants: latency, memory, energy; raw samples first, summaries from them."""
