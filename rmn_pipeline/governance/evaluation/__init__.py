"""How well personal data is found: a labelled set with held-out formats, and figures with intervals."""
