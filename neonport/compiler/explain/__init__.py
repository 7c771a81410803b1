"""What a statement becomes, in words and as a picture."""
