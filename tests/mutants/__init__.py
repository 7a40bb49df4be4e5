"""Plants faults in the models' outputs, to see whether their tests find them."""
