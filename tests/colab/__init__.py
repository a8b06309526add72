"""The like of Colab: its packages at its versions, and a stub of ``google.colab``."""
