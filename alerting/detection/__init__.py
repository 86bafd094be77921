"""The detection matrix: scenarios as data, the notifications that alerts make of them, and what is judged of each."""
