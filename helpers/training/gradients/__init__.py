"""Training whose backward pass is computed from gradients in few bits."""
