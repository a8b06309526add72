"""How each numeric form is made: one file per kind of recipe, one entry per recipe."""
