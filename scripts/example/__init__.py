"""The example that ships: the 2013 New York departures as five source systems, and the demo.

Delete this folder, its YAML and its SQL, and Strata is yours: nothing else names it.
"""
