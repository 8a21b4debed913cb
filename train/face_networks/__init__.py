"""One-time conversion of mediapipe's networks to a weight file of ours."""
