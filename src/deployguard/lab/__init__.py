"""The local cloud: AWS's protocol on loopback, with a Lambda whose containers are real and warm."""
