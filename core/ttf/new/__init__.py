"""New plugins: installable packages with a small component that works."""
