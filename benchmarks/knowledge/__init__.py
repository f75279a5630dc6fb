"""What keeping and finding passages costs, by how many there are: three stores side by side."""
