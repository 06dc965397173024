"""The generator of the version packages, and the facts that the schemas do not tell."""
