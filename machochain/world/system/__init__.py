"""What is known of the libraries and symbols of macOS itself: SDKs, stubs, the embedded catalogue."""
