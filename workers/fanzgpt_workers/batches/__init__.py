"""Requests that can wait, called together at half the price."""
