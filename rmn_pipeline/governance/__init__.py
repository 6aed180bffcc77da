"""Governance: personal data in texts, rules for ad copy, and what may leave the pipeline.

Belongs here: judgements about content. Reading feeds is `feeds`, enforcing privacy on queries is `cleanroom`.
"""
