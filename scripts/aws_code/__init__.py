"""What AWS itself runs: the Firehose Lambda and the landing job, and the masking they share.

`strata deploy` packs this folder, with the rules read from the declarations, into one zip. It
imports nothing of the rest of the repository.
"""
