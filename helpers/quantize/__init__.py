"""02: the files of the variants, what they hold, and where their error begins."""
