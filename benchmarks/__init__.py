"""What decoding a frame costs with ocppj and its peers, and what each checks for that."""
