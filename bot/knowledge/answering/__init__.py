"""Question to grounded answer: condense, retrieve, postprocess, synthesize or extract."""
