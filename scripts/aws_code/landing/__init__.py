"""Files in landing: how they are read, and the Bronze objects that their records become."""
