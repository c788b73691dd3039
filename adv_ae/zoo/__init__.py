"""Small trained models, in the package."""
