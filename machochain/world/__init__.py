"""The modelled Mac: its files, the libraries of the OS, SDKs, and inputs that have to be unpacked first."""
