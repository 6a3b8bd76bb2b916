"""Where workers may run besides this machine; each module turns a job into what one engine takes."""
