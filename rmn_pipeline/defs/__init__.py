"""The Dagster layer: partitions, resources, assets, checks, jobs, schedules and sensors.

Belongs here: wiring. An asset reads its inputs, calls a room, and returns a result with metadata.
Does not belong here: anything a notebook would want; that lives in the rooms, which never import Dagster.
"""
