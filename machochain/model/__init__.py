"""The values every other floor speaks in: frozen, slotted, free of I/O."""
