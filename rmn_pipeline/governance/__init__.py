"""Governance: personal data in texts, rules for ad copy, and what may leave the pipeline."""
