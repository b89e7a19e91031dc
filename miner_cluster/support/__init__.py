"""One archive with everything that somebody needs who helps from afar, and no secret."""
