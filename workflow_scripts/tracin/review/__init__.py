"""Review of suspected labels: the page, corrections, what they bought, and exports."""
