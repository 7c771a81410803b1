"""Pictures of what callbacks recorded: readers, figures, pages. Needs the extra `plot`."""
