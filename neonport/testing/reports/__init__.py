"""What a run of the conformance suite found: counts by op, scripts of failures, an HTML page."""
