"""One season in three villages, everything together: `scripts/season`."""
