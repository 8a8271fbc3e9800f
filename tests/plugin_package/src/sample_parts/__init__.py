"""A sample of a user's package: parts for dlgbench, found by an entry point."""
