"""The whole: the run and its ledger, the pipeline, the command line, Colab, installing."""
