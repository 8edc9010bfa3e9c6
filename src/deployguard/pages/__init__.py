"""What HTML pages share: their frame and look, safe markup, and how builds are told apart."""
