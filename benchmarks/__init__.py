"""How well it does what it is for, measured: each package here is a benchmark that anyone can run."""
