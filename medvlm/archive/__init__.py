"""Between an archive and the reports: studies come in, what is written of them goes back."""
