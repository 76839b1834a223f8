"""See docs/data.md."""
