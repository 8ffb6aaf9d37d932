"""What Go leaves in binaries and archives, how its flags link, and where its commands start programs."""
