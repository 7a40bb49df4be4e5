"""Scores the example's payments on their stream and tells people and Bronze what looks like fraud.

`score` has the rules, `state` what is remembered of each passenger, `alerts` who is told.
"""
