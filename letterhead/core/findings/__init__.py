"""What is wrong and how to repair it: the catalogue entry, the finding, misplaced and spoilt values."""
