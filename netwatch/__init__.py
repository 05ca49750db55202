"""netwatch watches networks: pure judgement in core, protocols in io."""
