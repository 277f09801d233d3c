"""Runtimes that are built for models."""
