"""One module per notebook: what it does, in steps that reuse what is still valid."""
