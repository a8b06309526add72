"""What is asked for: profile, models, variants, options, and where the files of a run lie."""
