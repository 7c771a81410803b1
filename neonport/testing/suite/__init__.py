"""The cases of the conformance suite, one room of the contract a file."""
