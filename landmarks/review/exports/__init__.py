"""What annotation tools export, read as faces of images: one tool a file."""
