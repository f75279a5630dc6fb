"""Where documents come from: the folder and web pages."""
