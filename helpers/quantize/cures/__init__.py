"""What wins accuracy back: one file per cure, the files that they make, and the search among them."""
