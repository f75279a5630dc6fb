"""Documents into the index: plan, run, worker process, spool, embedding requests."""
