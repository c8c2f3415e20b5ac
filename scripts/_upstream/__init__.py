"""Read the vendor's pages: `fetch` from the web, `pages` with their JSON blocks, `fragments` into one document."""
