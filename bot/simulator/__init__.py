"""A fake Discord on loopback: HTTP API, gateway, rate limits, failures. Used by the preview, tests and benchmarks."""
