"""What a dump looks like, and how it differs from the dump before."""
