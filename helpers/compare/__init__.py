"""05: which differences are real, in tables, figures and a report."""
