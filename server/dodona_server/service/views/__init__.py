"""Contents of pages, reports and figures, each read in one transaction."""
