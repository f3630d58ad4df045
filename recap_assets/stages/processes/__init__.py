"""Several processes that work as one, started by `accelerate launch`: whoever starts them, its
agent, and each rank."""
