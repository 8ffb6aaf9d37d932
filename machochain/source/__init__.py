"""What Go takes from sources and from a machine: the side before the binary."""
