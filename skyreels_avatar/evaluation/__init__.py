"""Measure a talking video: lips against sound, likeness, steadiness, performance, camera."""
