"""Studies, and what people do with them."""
