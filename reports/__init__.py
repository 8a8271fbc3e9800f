"""The report: reads the store, judges again, draws, and writes one page. It never trains."""
