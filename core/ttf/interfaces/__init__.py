"""The contracts between core and components, one file each."""
