"""The tensors that cross from data to models and back."""
