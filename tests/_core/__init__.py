"""Tests of `ocppj._core`, one module for each of its modules."""
