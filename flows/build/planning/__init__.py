"""What a build will do, settled before anything expensive."""
