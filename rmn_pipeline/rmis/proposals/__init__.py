"""Mapping proposals: a draft for a network that nobody has mapped yet, from headers, values and their relations."""
