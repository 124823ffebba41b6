"""Training: settings, objectives, the loop, and the progress that is shown."""
