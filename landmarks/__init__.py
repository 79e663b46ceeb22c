"""landmarks: facial landmarks, head pose, smile, glasses and gender from one network."""
