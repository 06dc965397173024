"""`ocppj.testing`."""
