"""Proofs of registered versions for strangers: `bundle`, `attest`, `key`, `card`, `publish`."""
