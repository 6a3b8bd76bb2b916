"""Studies for assistants: tools of the Model Context Protocol, for `dodona mcp` and for `/mcp` of a server.

`tools` has them, `answers` what they answer, `serving` offers them as the caller's role allows, `http` answers requests
to a server, which finds it by its entry point.
"""
