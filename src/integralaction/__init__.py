"""Human action recognition in video that is not fooled by the scene."""
