"""What figures and tables are made of: one look, rows, captions, photos with boxes."""
