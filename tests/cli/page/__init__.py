"""Tests of `ocppj.cli`."""
