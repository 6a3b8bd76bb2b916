"""Workers of one script on an engine that starts processes: this machine, Ray, Slurm, Kubernetes."""
