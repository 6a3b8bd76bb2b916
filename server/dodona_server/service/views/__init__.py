"""What pages, reports and figures show, each read in one transaction."""
