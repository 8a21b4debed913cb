"""The playground: pages for the browser, and the addresses that only they need."""
