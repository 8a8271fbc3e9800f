"""The lecture's tricks."""
