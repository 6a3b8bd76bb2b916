"""What operators see of a server: metrics, traces and logs. Nothing here imports another part of the server."""
