"""Where this server listens: the listener that sharing opens, its connections and the sockets of pages."""
