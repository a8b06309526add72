"""Rounds over variants: their order, when they end, what disturbed them."""
