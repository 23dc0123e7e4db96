"""TracIn for image classifiers: training, exact influence, and what is behind each mistake."""
