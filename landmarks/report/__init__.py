"""Pages to look through: of a run, of an evaluation, of a comparison. Each is one HTML file that needs nothing else."""
