"""The lab's containers: real or virtual, how they are chosen, invoked and replaced."""
