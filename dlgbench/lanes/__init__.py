"""Lanes: small networks of one architecture, trained side by side as one stacked network."""
