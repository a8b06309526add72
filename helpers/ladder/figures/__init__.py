"""The figures of 07."""
