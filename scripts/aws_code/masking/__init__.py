"""Carries a record from where it may hold personal data to Bronze: masked, enveloped, never lost.

The rules come from the source declarations. See `rules`, `masks`, `records`.
"""
