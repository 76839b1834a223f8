"""What a model does with texts written to test it, and which words led it astray."""
