"""Tests of `ocppj.aio`: live endpoints on real sockets."""
