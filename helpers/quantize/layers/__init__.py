"""Where a variant's error comes from: every layer's output against that of float32."""
