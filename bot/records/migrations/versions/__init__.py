"""The migrations. A released one never changes, so it spells out its tables instead of importing ``schema``."""
