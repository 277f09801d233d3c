"""Building the runtime for other machines."""
