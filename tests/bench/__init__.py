"""`make bench`: what takes how long, beside what it is measured against."""
