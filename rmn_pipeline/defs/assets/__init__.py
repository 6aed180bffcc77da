"""Assets, one module per stage. `all_assets(project)` is what the wiring collects."""
