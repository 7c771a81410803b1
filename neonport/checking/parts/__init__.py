"""Parts of large statements: what a check at a low rate looks at, drawn anew each time."""
