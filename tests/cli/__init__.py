"""Run the command as people and scripts do."""
