"""How questions are answered: greedily, by likelihood, by votes over samples, under several orders, with examples."""
