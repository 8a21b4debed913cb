"""Paint a portrait with numpy and OpenCV: shapes, soft light, hair strand by strand."""
