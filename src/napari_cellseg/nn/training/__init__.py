"""The training of the model that ships: crops, loop, losses, several processes."""
