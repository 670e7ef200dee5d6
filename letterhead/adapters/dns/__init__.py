"""DNS from real servers (`resolver`) and from zone text (`zonefile`), behind the same port."""
