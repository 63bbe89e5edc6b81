"""asic."""
