"""Somebody else's package: parts for dlgbench, found by an entry point."""
