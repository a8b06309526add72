"""Photos and their labels: drawn, in a folder of one's own, or in FiftyOne; decoded and prepared."""
