"""Tests against other people's software."""
