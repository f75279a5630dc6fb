"""Where documents come from: the documents' folder and web pages."""
