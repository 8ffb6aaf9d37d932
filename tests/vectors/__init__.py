"""Replays test vectors: what dyld's own code answered on made-up Macs, against what the model answers."""
