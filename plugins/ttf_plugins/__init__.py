"""The components that come with ttf; each is declared and imported as a stranger's plugin would be."""
