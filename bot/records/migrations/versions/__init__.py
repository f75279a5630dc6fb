"""The steps. One that was released is never changed: what it makes is written out here, not taken from ``schema``."""
