"""Tests of the adapters, side by side with the libraries that they adapt."""
