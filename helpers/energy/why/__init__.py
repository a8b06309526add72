"""Why a variant is, or is not, faster: its operators, what runs them, and what this machine could do."""
