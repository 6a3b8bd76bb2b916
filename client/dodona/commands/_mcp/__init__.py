"""Studies for assistants: tools of the Model Context Protocol, and what their answers contain."""
